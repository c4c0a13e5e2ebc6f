from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

from retrigger.functions import logs

if TYPE_CHECKING:
    import pytest


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("retrigger.core", logging.WARNING, "core.py", 1, "event_%s", ("decided",), None)
    made.created = 1767603600.5
    vars(made).update(extra)
    return made


def test_a_line_has_the_fields_that_cloud_logging_reads() -> None:
    assert json.loads(logs.JsonLines().format(record(fields={"run": "r-1", "verdicts": [{"code": "x"}]}))) == {
        "severity": "WARNING",
        "time": "2026-01-05T09:00:00.500000+00:00",
        "message": "event_decided",
        "logger": "retrigger.core",
        "run": "r-1",
        "verdicts": [{"code": "x"}],
    }


def test_whatever_a_field_holds_the_line_is_one_line_of_json() -> None:
    line = logs.JsonLines().format(record(fields={"odd": {1}, "text": "a\nb\u2028c"}))
    assert (json.loads(line)["odd"], line.count("\n")) == ("{1}", 0)


def test_an_exception_is_a_field() -> None:
    try:
        {}["missing"]
    except KeyError:
        line = logs.JsonLines().format(record(exc_info=sys.exc_info()))
    assert json.loads(line)["exception"].endswith("KeyError: 'missing'")
    assert "\n" not in line


def test_records_go_to_standard_output_once(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("retrigger")
    before = (logger.handlers, logger.level, logger.propagate)
    logs.configure.cache_clear()
    try:
        logs.configure()
        logs.configure()
        logging.getLogger("retrigger.handlers.core").info("tried", extra={"fields": {"n": 1}})
        logging.getLogger("retrigger").debug("not told")
    finally:
        logger.handlers, logger.level, logger.propagate = before
        logs.configure.cache_clear()
    (line,) = capsys.readouterr().out.splitlines()
    assert (json.loads(line)["message"], json.loads(line)["n"]) == ("tried", 1)
