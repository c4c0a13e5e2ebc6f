"""A pipeline of one task that needs nothing. (KFP reads annotations as objects: no postponed ones here.)"""

from kfp import dsl


@dsl.component(base_image="python:3.11")
def look(what: str) -> str:
    return what


@dsl.pipeline(name="count")
def count(what: str) -> None:
    look(what=what)
