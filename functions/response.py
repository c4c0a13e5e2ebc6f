"""What a platform is told: the ack table, here alone.

| what happened                                             | answer | the platform    |
|-----------------------------------------------------------|--------|-----------------|
| every outcome is terminal, or a note is left for the tick | 200    | forgets it      |
| it is no event, and lies among the dead letters           | 200    | forgets it      |
| a subscription proves itself (a handshake)                | 200    | begins to send  |
| nothing durable could be written, or the ledger opened    | 503    | delivers again  |
| the connection broke in the body                          | 503    | delivers again  |
| the keys that the caller's token is checked with are gone | 503    | delivers again  |
| it is not known who calls                                 | 401    | may give it up  |
| that caller may not call                                  | 403    | may give it up  |

Of a batch every member is decided on, whatever became of the others, unless the ledger is gone; one that left nothing
durable has the whole batch delivered again, which changes nothing for the rest. Where there is no HTTP, returning says
200 and raising 503.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from typing import TYPE_CHECKING

from retrigger.triggers.errors import Malformed, NotAllowed, RetriggerError, Unavailable
from retrigger.triggers.formats.wire import Handshake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.handlers.tick import Report
    from retrigger.handlers.wiring import App
    from retrigger.triggers.event import Event, Json
    from retrigger.triggers.formats import Parsed

Answer = tuple[str, int, dict[str, str]]
_LOG = logging.getLogger(__name__)
_JSON = {"Content-Type": "application/json"}
_RAW_KEPT = 64 * 1024
_MEMBERS_KEPT = 100
_ID_TOLD = 1024


def answer_caller(admit: Callable[[], None], serve: Callable[[], Answer]) -> Answer:
    """Serve a caller who is let in; tell any other why not, and keep nothing of what they sent."""
    try:
        admit()
    except NotAllowed as refusal:
        fields = {"code": refusal.code, "status": refusal.status, "reason": str(refusal)}
        _LOG.warning("caller_refused", extra={"fields": fields})
        asked = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
        return _body(_error(refusal)), refusal.status, {**_JSON, **asked}
    except RetriggerError as error:
        return _not_now(error)
    return serve()


def answer(app: Callable[[], App], raw: bytes, receive: Callable[[], Parsed]) -> Answer:
    """The answer to a request. `app` puts the function together, `receive` reads the request: both may fail."""
    try:
        settled = settle(app, raw, receive)
    except RetriggerError as error:
        return _not_now(error)
    match settled:
        case Handshake(code, by_header=True):
            return "", 200, {"WebHook-Allowed-Origin": code, "WebHook-Allowed-Rate": "*"}
        case Handshake(code):
            return _body({"validationResponse": code}), 200, _JSON
        case told:
            return _body({"outcomes": [*told]}), 200, _JSON


def settle(
    app: Callable[[], App], raw: bytes, receive: Callable[[], Parsed], *, name: str = ""
) -> Handshake | list[dict[str, Json]]:
    """Decide on every event of a delivery: what became of each, or `{"error": …}` for what is none and was buried.

    `name` tells two deliveries of the same bytes apart where the platform does. Raises RetriggerError where a member
    left nothing durable: the delivery is not acknowledged.
    """
    try:
        parsed = receive()
    except Malformed as error:
        parsed = [error]
    if isinstance(parsed, Handshake):
        return parsed
    told: list[dict[str, Json]] = []
    failed: RetriggerError | None = None
    for member in parsed:
        try:
            told += [_error(member)] if isinstance(member, Malformed) else _decided(app, member)
        except RetriggerError as error:
            failed = error
            if error.code == "ledger_unavailable":
                break  # nor could the next be decided on: an outage costs one wait, not one a member
    malformed = {index: member for index, member in enumerate(parsed) if isinstance(member, Malformed)}
    if malformed:
        _bury(app, raw, name, malformed)
    if failed is not None:
        raise failed
    return told


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


def _decided(app: Callable[[], App], event: Event) -> list[dict[str, Json]]:
    if event.notes:
        _LOG.warning("event_noted", extra={"fields": {"event": _bounded(event.id), "notes": [*event.notes]}})
    outcomes = [{**outcome.to_json(), "event": _bounded(outcome.event)} for outcome in app().core.handle(event)]
    for outcome in outcomes:
        _LOG.info("event_decided", extra={"fields": outcome})
    return outcomes


def _bounded(event_id: str) -> str:
    """An id is its sender's, and may be as long as a body."""
    return event_id if len(event_id) <= _ID_TOLD else f"{event_id[:_ID_TOLD]}…"


def _bury(app: Callable[[], App], raw: bytes, name: str, malformed: Mapping[int, Malformed]) -> None:
    """Redelivery cannot mend it: keep the beginning of it for people, in one dead letter, and have it forgotten.

    Where the project does not keep events whole, nothing of the request stays; with `none`, what is wrong is a code.
    """
    digest = hashlib.sha256(raw).hexdigest()
    first = next(iter(malformed.values()))
    archive = app().archive
    told = {index: _told(error) if archive != "none" else {"code": error.code} for index, error in malformed.items()}
    members: list[Json] = [{"member": index, **error} for index, error in [*told.items()][:_MEMBERS_KEPT]]
    body: dict[str, Json] = {"code": first.code, "size": len(raw), "malformed": len(malformed), "members": members}
    if archive == "full":
        body["raw"] = base64.b64encode(raw[:_RAW_KEPT]).decode()
    reason = str(first) if archive != "none" else first.code
    app().ledger.bury(f"malformed:{digest}{name and f':{name}'}", reason, body)
    fields = {"code": first.code, "reason": reason, "sha256": digest, "malformed": len(malformed)}
    _LOG.warning("event_malformed", extra={"fields": fields})


def _told(error: RetriggerError) -> dict[str, Json]:
    return {"code": error.code, "message": str(error)}


def _error(error: RetriggerError) -> dict[str, Json]:
    return {"error": _told(error)}


def _not_now(error: RetriggerError) -> Answer:
    _LOG.error("not_acknowledged", extra={"fields": {"code": error.code, "reason": str(error)}})
    seconds = error.retry_after if isinstance(error, Unavailable) else None
    retry_after = {"Retry-After": str(int(seconds))} if seconds is not None else {}
    return _body(_error(error)), 503, {**_JSON, **retry_after}


def _body(value: Mapping[str, Json]) -> str:
    return json.dumps(value)
