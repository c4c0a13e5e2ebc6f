from __future__ import annotations

from retrigger.deploy.warnings import warnings
from retrigger.triggers.environment import Environment, KeyCaller


def environment(ledger: str, *, called: bool) -> Environment:
    callers = (KeyCaller(setting="KEY"),) if called else ()
    return Environment(name="dev", cloud="gcp", project="p", location="europe-west4", ledger=ledger, callers=callers)


def test_a_ledger_that_functions_cannot_share_is_told() -> None:
    [alone] = warnings(environment("sqlite:/tmp/ledger", called=True), "gcp")
    assert alone.startswith("The ledger sqlite:/tmp/ledger is a file of one machine")
    assert list(warnings(environment("gs://acme-ledger", called=True), "gcp")) == []


def test_nobody_who_may_call_is_told_where_no_host_asks_for_a_key() -> None:
    told = {cloud: len([*warnings(environment("gs://l", called=False), cloud)]) for cloud in ("gcp", "azure")}
    assert told == {"gcp": 1, "azure": 0}
