"""The ack table of functions/response.py, row by row."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, cast, get_args

import pytest

from retrigger.functions.response import answer, answer_caller, answer_tick
from retrigger.handlers.ledger import Ledger
from retrigger.handlers.outcome import Outcome, Result, Verdict
from retrigger.handlers.tick import Report
from retrigger.handlers.wiring import App
from retrigger.triggers.errors import Malformed, NotAllowed, RetriggerError, Unavailable, Unknown
from retrigger.triggers.event import Event, Message
from retrigger.triggers.formats.wire import Handshake
from tests.functions.conftest import NOW, NoRecords

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.functions.response import Answer
    from retrigger.handlers.core import Core
    from retrigger.triggers.formats import Parsed
    from retrigger.triggers.spec import Archive

JSON = {"Content-Type": "application/json"}


EVENT = Event(
    id="e", source="s", type="t", time=NOW, subject=None, payload=Message(channel="c", id="1"), notes=("odd_time",)
)
NO_EVENT = Malformed("it is no event; send one", code="malformed_utf8")
TOLD = {"error": {"code": "malformed_utf8", "message": "it is no event; send one"}}


@dataclass(frozen=True)
class Deciding:
    """A core that says the same of every event, or fails at it."""

    says: list[Outcome] | Exception

    def handle(self, _: Event) -> list[Outcome]:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@dataclass(frozen=True)
class Counting:
    """A core that fails at every event, and remembers which it was asked about."""

    error: Exception
    asked: list[str] = field(default_factory=list)

    def handle(self, event: Event) -> list[Outcome]:
        self.asked.append(event.id)
        raise self.error


def app(ledger: Ledger, says: list[Outcome] | Exception | None = None) -> Callable[[], App]:
    return lambda: App(cast("Core", Deciding(says or [])), ledger)


def raising(error: Exception) -> Callable[[], Parsed]:
    def receive() -> Parsed:
        raise error

    return receive


def dead_letters(ledger: Ledger) -> list[dict[str, object]]:
    found = [ledger.records.get(entry.key) for entry in ledger.records.list("d/")]
    return [dict(record.body) for record in found if record is not None]


def outcome(result: Result) -> Outcome:
    return Outcome(event="e", trigger="t", result=result, verdicts=(Verdict("claim", "stop", "why", "because"),))


@pytest.mark.parametrize("result", sorted(set(get_args(Result)) - {"retry"}))
def test_an_outcome_is_acknowledged_and_told(ledger: Ledger, result: Result) -> None:
    body, status, headers = answer(app(ledger, [outcome(result)]), b"raw", lambda: [EVENT, EVENT])
    assert (status, headers) == (200, JSON)
    assert json.loads(body) == {"outcomes": [outcome(result).to_json(), outcome(result).to_json()]}
    assert dead_letters(ledger) == []


def test_an_empty_batch_is_acknowledged(ledger: Ledger) -> None:
    assert answer(app(ledger), b"[]", list) == ('{"outcomes": []}', 200, JSON)


def test_what_a_format_had_to_decide_is_logged(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    answer(app(ledger), b"raw", lambda: [EVENT])
    (record,) = caplog.records
    assert (record.getMessage(), vars(record)["fields"]) == ("event_noted", {"event": "e", "notes": ["odd_time"]})


def test_of_an_id_without_end_the_beginning_is_told(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    """A sender's id may be as long as a body: it must not become a line of the log, or the answer."""
    caplog.set_level(logging.INFO, "retrigger")
    event = replace(EVENT, id="x" * 10_000_000)
    body, status, _ = answer(app(ledger, [replace(outcome("ignored"), event=event.id)]), b"raw", lambda: [event])
    told = "x" * 1024 + "…"
    assert (status, [each["event"] for each in json.loads(body)["outcomes"]]) == (200, [told])
    assert [vars(record)["fields"]["event"] for record in caplog.records] == [told, told]


def test_what_is_malformed_is_acknowledged_once_it_lies_among_the_dead_letters(ledger: Ledger) -> None:
    raw = b"\xff" * 100_000
    body, status, headers = answer(app(ledger), raw, raising(NO_EVENT))
    assert (json.loads(body), status, headers) == ({"outcomes": [TOLD]}, 200, JSON)
    assert dead_letters(ledger) == [
        {
            "what": f"malformed:{hashlib.sha256(raw).hexdigest()}",
            "reason": "it is no event; send one",
            "at_ms": int(NOW.timestamp() * 1000),
            "code": "malformed_utf8",
            "size": 100_000,
            "raw": base64.b64encode(raw[: 64 * 1024]).decode(),
            "malformed": 1,
            "members": [{"member": 0, **TOLD["error"]}],
        }
    ]


@pytest.mark.parametrize("archive", ["metadata", "none"])
def test_of_what_is_malformed_no_more_is_kept_than_the_project_says(
    ledger: Ledger, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    answer(lambda: replace(app(ledger)(), archive=archive), b"a secret", raising(NO_EVENT))
    (letter,) = dead_letters(ledger)
    told = TOLD["error"] if archive == "metadata" else {"code": "malformed_utf8"}
    assert (letter["size"], letter["members"]) == (8, [{"member": 0, **told}])
    assert letter["reason"] == told.get("message", "malformed_utf8")
    assert [vars(record)["fields"]["reason"] for record in caplog.records] == [letter["reason"]]
    assert "raw" not in letter


def test_a_malformed_member_costs_the_others_nothing(ledger: Ledger) -> None:
    body, status, _ = answer(app(ledger, [outcome("launched")]), b"[]", lambda: [NO_EVENT, EVENT, NO_EVENT])
    assert (json.loads(body), status) == ({"outcomes": [TOLD, outcome("launched").to_json(), TOLD]}, 200)
    (letter,) = dead_letters(ledger)
    assert (letter["malformed"], letter["members"]) == (2, [{"member": at, **TOLD["error"]} for at in (0, 2)])


def test_a_burst_of_malformed_members_is_one_dead_letter_of_bounded_size(ledger: Ledger) -> None:
    body, _, _ = answer(app(ledger), b"[]", lambda: [NO_EVENT] * 5_000)
    assert len(json.loads(body)["outcomes"]) == 5_000
    (letter,) = dead_letters(ledger)
    assert (letter["malformed"], len(cast("list[object]", letter["members"]))) == (5_000, 100)


def test_a_member_that_left_nothing_durable_has_the_batch_delivered_again(ledger: Ledger) -> None:
    gone = Unavailable("gone", code="ledger_unavailable")
    _, status, _ = answer(app(ledger, gone), b"[]", lambda: [NO_EVENT, EVENT])
    assert status == 503
    assert len(dead_letters(ledger)) == 1  # what could be decided was


def test_an_outage_of_the_ledger_costs_a_batch_one_wait(ledger: Ledger) -> None:
    gone = Counting(Unavailable("gone", code="ledger_unavailable"))
    _, status, _ = answer(lambda: App(cast("Core", gone), ledger), b"[]", lambda: [EVENT] * 5_000)
    assert (status, gone.asked) == (503, ["e"])


def test_a_member_that_fails_by_itself_costs_the_others_nothing(ledger: Ledger) -> None:
    lost = Counting(Unavailable("lost a race", code="contended"))
    _, status, _ = answer(lambda: App(cast("Core", lost), ledger), b"[]", lambda: [EVENT] * 3)
    assert (status, lost.asked) == (503, ["e", "e", "e"])


def test_the_same_malformed_request_is_one_dead_letter_a_day(ledger: Ledger) -> None:
    for raw in (b"a", b"a", b"b"):
        answer(app(ledger), raw, raising(Malformed("no", code="malformed_json")))
    assert len(dead_letters(ledger)) == 2


def test_event_grids_handshake_is_answered_with_its_code(ledger: Ledger) -> None:
    assert answer(app(ledger), b"[]", lambda: Handshake("c-1")) == ('{"validationResponse": "c-1"}', 200, JSON)


def test_a_handshake_by_header_allows_who_asks(ledger: Ledger) -> None:
    body, status, headers = answer(app(ledger), b"", lambda: Handshake("eventgrid.azure.net", by_header=True))
    allowed = {"WebHook-Allowed-Origin": "eventgrid.azure.net", "WebHook-Allowed-Rate": "*"}
    assert (body, status, headers) == ("", 200, allowed)


@pytest.mark.parametrize(
    ("error", "records", "code", "headers"),
    [
        (Unavailable("gone", code="ledger_unavailable"), None, "ledger_unavailable", JSON),
        (Unavailable("busy", code="quota", retry_after=7.9), None, "quota", JSON | {"Retry-After": "7"}),
        (Unknown("lost", code="timeout"), None, "timeout", JSON),
        (RetriggerError("it is not set", code="not_configured"), None, "not_configured", JSON),
        (Malformed("no", code="malformed_json"), NoRecords(), "ledger_unavailable", JSON),
        (Malformed("no", code="x"), NoRecords(30.0), "ledger_unavailable", JSON | {"Retry-After": "30"}),
    ],
)
def test_what_left_nothing_durable_is_delivered_again(
    ledger: Ledger, error: Exception, records: NoRecords | None, code: str, headers: dict[str, str]
) -> None:
    asked = ledger if records is None else Ledger(records, "test")
    body, status, told = answer(app(asked), b"raw", raising(error))
    assert (json.loads(body)["error"]["code"], status, told) == (code, 503, headers)


def test_what_is_malformed_is_delivered_again_where_the_ledger_cannot_be_opened() -> None:
    def opened() -> App:
        raise Unavailable("no such folder", code="ledger_unavailable")

    _, status, _ = answer(opened, b"raw", raising(NO_EVENT))
    assert status == 503


def test_a_tick_tells_what_it_did() -> None:
    assert answer_tick(lambda: Report(worked=3, failed=1)) == ('{"worked": 3, "failed": 1}', 200, JSON)


def test_a_tick_that_could_not_reach_the_ledger_is_worth_another() -> None:
    def run() -> Report:
        raise Unavailable("gone", code="ledger_unavailable")

    body, status, _ = answer_tick(run)
    assert (json.loads(body)["error"], status) == ({"code": "ledger_unavailable", "message": "gone"}, 503)


def never() -> Answer:
    raise AssertionError("served")


def not_let_in(error: RetriggerError) -> Callable[[], None]:
    def admit() -> None:
        raise error

    return admit


@pytest.mark.parametrize(
    ("status", "headers"), [(401, JSON | {"WWW-Authenticate": "Bearer"}), (403, JSON)], ids=["unknown", "known"]
)
def test_who_is_not_let_in_is_told_why_and_logged_once(
    caplog: pytest.LogCaptureFixture, status: Literal[401, 403], headers: dict[str, str]
) -> None:
    refusal = NotAllowed("you may not; ask", code="caller_not_allowed", status=status)
    with caplog.at_level(logging.INFO, "retrigger"):
        body, told, sent = answer_caller(not_let_in(refusal), never)
    assert (json.loads(body), told, sent) == (
        {"error": {"code": "caller_not_allowed", "message": "you may not; ask"}},
        status,
        headers,
    )
    assert [(it.getMessage(), vars(it)["fields"]) for it in caplog.records] == [
        ("caller_refused", {"code": "caller_not_allowed", "status": status, "reason": "you may not; ask"})
    ]


@pytest.mark.parametrize(
    "error", [Unavailable("gone", code="keys_unavailable"), RetriggerError("unset", code="not_configured")]
)
def test_who_cannot_be_judged_is_asked_to_call_again(error: RetriggerError) -> None:
    body, status, _ = answer_caller(not_let_in(error), never)
    assert (json.loads(body)["error"]["code"], status) == (error.code, 503)


def test_who_is_let_in_is_served() -> None:
    assert answer_caller(lambda: None, lambda: ("{}", 200, JSON)) == ("{}", 200, JSON)


def test_an_error_that_nobody_foresaw_is_not_taken_for_an_answer(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError):
        answer(app(ledger), b"raw", raising(ZeroDivisionError()))
