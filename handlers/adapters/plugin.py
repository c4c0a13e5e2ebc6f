"""A platform that a plug-in speaks to. Whatever it does, the core sees a launcher that keeps the port's promises."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeVar, cast

from retrigger.handlers.jobs import JobStatus, PipelineJob, Request
from retrigger.triggers.errors import Refused, RetriggerError, Unavailable, Unknown
from retrigger.triggers.plugins import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.handlers.jobs import Job
    from retrigger.handlers.ports import Launcher
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import PlugIn

Submitted = Literal["created", "adopted", "conflict"]
_LOG = logging.getLogger(__name__)
# Tuples: what a plug-in answers need not be hashable.
_SUBMITTED: Final = ("created", "adopted", "conflict")
_STATES: Final = ("running", "succeeded", "failed", "cancelled", "lost")
_T = TypeVar("_T")


class PlugInLauncher:
    """The port `Launcher`. The plug-in is made for the environment when it is first asked for something."""

    def __init__(self, plugin: PlugIn, environment: Environment) -> None:
        self._plugin = plugin
        self._environment = environment
        self._launcher: Launcher | None = None

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        self._check_kind(job)
        found: Any = self._asked("request", lambda: self._made().request(job, template), Refused)
        return found if isinstance(found, Request) else self._answered_with(found, "request", Refused)

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Submitted:
        """A launcher that is not there, or cannot be made, is Refused: nothing happened, and nothing will.

        One that breaks may have launched: that is Unknown, and it is asked again about the same id.
        """
        self._check_kind(job)
        made = self._asked("make", self._made, Refused)
        found: Any = self._asked("submit", lambda: made.submit(job, template), Unknown)
        if found not in _SUBMITTED:
            self._answered_with(found, "submit", Unknown)
        return cast("Submitted", found)

    def status(self, job: Job) -> JobStatus:
        found: Any = self._asked("status", lambda: self._made().status(job), Unavailable)
        if not isinstance(found, JobStatus) or found.state not in _STATES:
            self._answered_with(found, "status", Unavailable)
        return found

    def cancel(self, job: Job) -> None:
        self._asked("cancel", lambda: self._made().cancel(job), Unavailable)

    def _check_kind(self, job: Job) -> None:
        if not isinstance(job, PipelineJob):
            told = f"the launcher {self._plugin.name} launches pipelines alone, and job {job.id} is none"
            raise Refused(
                f"{told}: move the trigger to an environment without a launcher of its own", code="not_a_pipeline"
            )

    def _made(self) -> Launcher:
        if self._launcher is None:
            self._launcher = load(self._plugin)(self._environment)
        return self._launcher

    def _asked(self, what: str, call: Callable[[], _T], failure: type[Refused | Unavailable]) -> _T:
        try:
            return call()
        except (Refused, Unavailable):
            raise
        except Exception as error:
            _LOG.exception("launcher_failed", extra={"fields": {"launcher": self._plugin.name, "asked": what}})
            if isinstance(error, RetriggerError):
                raise failure(str(error), code=error.code) from error
            told = f"the launcher {self._plugin.name} ({self._plugin.package}) raised {type(error).__name__} at {what}"
            raise failure(f"{told}; its log says where", code="launcher_failed") from error

    def _answered_with(self, found: object, what: str, failure: type[Refused | Unavailable]) -> NoReturn:
        told = f"the launcher {self._plugin.name} ({self._plugin.package}) answered {what} with {str(found)[:80]!r}"
        raise failure(f"{told}; docs/plugins.md says with what it may", code="launcher_failed")
