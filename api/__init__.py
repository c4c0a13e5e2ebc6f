"""retrigger: events become machine-learning work, exactly once.

The public names. Each is imported when it is first used: every function's cold start passes through this module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrigger.handlers.outcome import Outcome, Verdict
    from retrigger.handlers.ports import Launcher
    from retrigger.handlers.validate.validators import Validator
    from retrigger.handlers.wiring import handle
    from retrigger.manifest import Manifest
    from retrigger.triggers.authoring.project import load_project
    from retrigger.triggers.event import Event
    from retrigger.triggers.spec import Trigger

_HOMES = {
    "Event": "retrigger.triggers.event",
    "Launcher": "retrigger.handlers.ports",
    "Manifest": "retrigger.manifest",
    "Outcome": "retrigger.handlers.outcome",
    "Trigger": "retrigger.triggers.spec",
    "Validator": "retrigger.handlers.validate.validators",
    "Verdict": "retrigger.handlers.outcome",
    "handle": "retrigger.handlers.wiring",
    "load_project": "retrigger.triggers.authoring.project",
}

__all__ = ["Event", "Launcher", "Manifest", "Outcome", "Trigger", "Validator", "Verdict", "handle", "load_project"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'retrigger' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
