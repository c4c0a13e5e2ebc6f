"""The error tree. Every error has a stable `code` and says whether doing the same again may help.

RetriggerError
├── Malformed            the event cannot be read; redelivery cannot mend it
├── ProjectError         trigger files, project file or templates are wrong (in `authoring.problems`)
├── ExpressionError      an expression is wrong, or failed on this event
├── NotAllowed           the caller of a function is not let in (401: unknown, 403: known, and not among those who may)
├── Refused              the platform said no for good (400, 403, 404, an actAs denial)
└── Unavailable          the ledger, a store or the platform did not answer (retriable)
    └── Unknown          it may or may not have happened (retriable, after looking)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Literal


class RetriggerError(Exception):
    """Root of every error raised on purpose. `code` is stable and machine-readable; `str()` is for people."""

    retriable = False

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class Malformed(RetriggerError):
    """The bytes are no event of the format that they came as."""


class ExpressionError(RetriggerError):
    """An expression does not compile (`column` is 1-based, 0 if unknown), or gave no usable value."""

    def __init__(self, message: str, *, code: str, column: int = 0) -> None:
        super().__init__(message, code=code)
        self.column = column


class NotAllowed(RetriggerError):
    """The caller is not let in. `status` is the HTTP answer: 401 if it is not known who calls, 403 if it is."""

    def __init__(self, message: str, *, code: str, status: Literal[401, 403]) -> None:
        super().__init__(message, code=code)
        self.status = status


class Refused(RetriggerError):
    """A platform or store refused for good: doing the same again gives the same answer."""


class Unavailable(RetriggerError):
    """Nothing durable is known to have happened. `retry_after` is in seconds, None if the other side named none."""

    retriable = True

    def __init__(self, message: str, *, code: str, retry_after: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Unknown(Unavailable):
    """The answer was lost: the change may have been made. Look before doing it again."""
