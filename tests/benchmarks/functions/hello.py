"""The least that functions-framework can serve: the floor of every cold start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Request


def main(_: Request) -> str:
    return "hello"
