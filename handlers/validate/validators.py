"""Validators: plug-ins that judge an event, and the data of its object, where the data gate stands."""

from __future__ import annotations

import json
import logging
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from retrigger.handlers.outcome import Verdict
from retrigger.handlers.validate.gate import GATE_SECONDS
from retrigger.handlers.validate.reader import ObjectReader
from retrigger.triggers.errors import Refused, RetriggerError, Unavailable
from retrigger.triggers.event import Object
from retrigger.triggers.plugins import load
from retrigger.triggers.spec import PlugIn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrigger.handlers.ports import Objects
    from retrigger.triggers.event import Event

_LOG = logging.getLogger(__name__)
_LONGEST: Final = 1000


class Validator(Protocol):
    """Judges an event: None if it fits, else why it does not, for people and without the values of cells.

    It may be asked again about the same event, at any time and by several threads at once. `data` is the object's,
    None for an event that has none. Raises Unavailable where it cannot judge now: the event waits. Any other exception
    is a try that failed; after five of them the event is a dead letter.
    """

    def __call__(self, event: Event, data: ObjectReader | None) -> str | None: ...


def validate(objects: Objects, event: Event, validators: Sequence[PlugIn]) -> list[Verdict]:
    """What each says, in their order, up to the first that stops. All of them together read for at most 5 s.

    Raises Unavailable as they do, and RetriggerError `validator_failed` or `plugin_not_loaded` for a broken one.
    """
    until = time.monotonic() + GATE_SECONDS
    said: list[Verdict] = []
    for plugin in validators:
        said.append(_judged(plugin, event, objects, lambda: time.monotonic() > until))
        if said[-1].says == "stop":
            break
    return said


def _judged(plugin: PlugIn, event: Event, objects: Objects, deadline: Callable[[], bool]) -> Verdict:
    data = ObjectReader(objects, event.payload, deadline) if isinstance(event.payload, Object) else None
    try:
        reason: object = _made(plugin.name, plugin.target, plugin.package, json.dumps(plugin.options))(event, data)
    except Refused as error:
        return Verdict("gate", "stop", error.code, str(error))
    except Unavailable:
        raise
    except Exception as error:
        fields = {"validator": plugin.name, "package": plugin.package}
        _LOG.exception("validator_failed", extra={"fields": fields})
        if isinstance(error, RetriggerError):
            raise
        # Its text may hold what it read: the type alone goes into the ledger.
        raise _failed(plugin, f"raised {type(error).__name__}; its log says where") from error
    finally:
        if data is not None:
            data.close()
    match reason:
        case None:
            return Verdict("gate", "pass", "ok", f"{plugin.name}: it fits")
        case str():
            return Verdict("gate", "stop", "bad_event", f"{plugin.name}: {_bounded(reason)}")
        case _:
            raise _failed(plugin, f"answered with a {type(reason).__name__}; None or a text was expected")


@lru_cache(maxsize=256)
def _made(name: str, target: str, package: str, options: str) -> Validator:
    """Once a process and set of options. Raises whatever it raises."""
    given = json.loads(options)
    made: Validator = load(PlugIn(name=name, target=target, package=package, options=given))(**given)
    return made


def _failed(plugin: PlugIn, what: str) -> RetriggerError:
    return RetriggerError(f"the validator {plugin.name} ({plugin.package}) {what}", code="validator_failed")


def _bounded(reason: str) -> str:
    printable = "".join(char if char.isprintable() else "?" for char in reason[: _LONGEST + 1])
    return printable if len(printable) <= _LONGEST else f"{printable[:_LONGEST]}…"
