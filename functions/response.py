"""What a platform is told: the ack table, here alone.

| what happened                                             | answer | the platform    |
|-----------------------------------------------------------|--------|-----------------|
| every outcome is terminal, or a note is left for the tick  | 200    | forgets it      |
| the request is no event, and lies among the dead letters   | 200    | forgets it      |
| nothing durable could be written, or the ledger opened     | 503    | delivers again  |
| the keys that the caller's token is checked with are gone  | 503    | delivers again  |
| it is not known who calls                                  | 401    | may give it up  |
| that caller may not call                                   | 403    | may give it up  |
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from typing import TYPE_CHECKING

from retrigger.triggers.errors import Malformed, NotAllowed, RetriggerError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.outcome import Outcome
    from retrigger.handlers.tick import Report
    from retrigger.triggers.event import Json

Answer = tuple[str, int, dict[str, str]]
_LOG = logging.getLogger(__name__)
_JSON = {"Content-Type": "application/json"}
_RAW_KEPT = 64 * 1024


def answer_caller(admit: Callable[[], None], serve: Callable[[], Answer]) -> Answer:
    """Serve a caller who is let in; tell any other why not, and keep nothing of what they sent."""
    try:
        admit()
    except NotAllowed as refusal:
        fields = {"code": refusal.code, "status": refusal.status, "reason": str(refusal)}
        _LOG.warning("caller_refused", extra={"fields": fields})
        asked = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
        return _body({"error": {"code": refusal.code, "message": str(refusal)}}), refusal.status, {**_JSON, **asked}
    except RetriggerError as error:
        return _not_now(error)
    return serve()


def answer(ledger: Callable[[], Ledger], raw: bytes, decide: Callable[[], list[Outcome]]) -> Answer:
    """Decide on a request, and say to the platform what became of it. `ledger` opens it: that too may fail."""
    try:
        outcomes = [outcome.to_json() for outcome in decide()]
    except Malformed as error:
        return _answer_malformed(ledger, raw, error)
    except RetriggerError as error:
        return _not_now(error)
    for outcome in outcomes:
        _LOG.info("event_decided", extra={"fields": outcome})
    return _body({"outcomes": [*outcomes]}), 200, _JSON


def answer_other_methods() -> Answer:
    """Deliveries are posted; a browser or a probe that looks in is told so, and leaves no dead letter."""
    return _body({"error": {"code": "not_a_delivery", "message": "POST an event"}}), 405, {**_JSON, "Allow": "POST"}


def answer_tick(run: Callable[[], Report]) -> Answer:
    """A tick that could not reach the ledger is worth another."""
    try:
        report = run()
    except RetriggerError as error:
        return _not_now(error)
    return _body({"worked": report.worked, "failed": report.failed}), 200, _JSON


def _answer_malformed(ledger: Callable[[], Ledger], raw: bytes, error: Malformed) -> Answer:
    """Redelivery cannot mend it: keep the beginning of it for people, and have it forgotten."""
    digest = hashlib.sha256(raw).hexdigest()
    body: dict[str, Json] = {"code": error.code, "size": len(raw), "raw": base64.b64encode(raw[:_RAW_KEPT]).decode()}
    try:
        ledger().bury(f"malformed:{digest}", str(error), body)
    except RetriggerError as unwritten:
        return _not_now(unwritten)
    _LOG.warning("event_malformed", extra={"fields": {"code": error.code, "reason": str(error), "sha256": digest}})
    return _body({"error": {"code": error.code, "message": str(error)}}), 200, _JSON


def _not_now(error: RetriggerError) -> Answer:
    _LOG.error("not_acknowledged", extra={"fields": {"code": error.code, "reason": str(error)}})
    seconds = error.retry_after if isinstance(error, Unavailable) else None
    retry_after = {"Retry-After": str(int(seconds))} if seconds is not None else {}
    return _body({"error": {"code": error.code, "message": str(error)}}), 503, {**_JSON, **retry_after}


def _body(value: Mapping[str, Json]) -> str:
    return json.dumps(value)
