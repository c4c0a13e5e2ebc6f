"""Who may call a function, where the platform has not decided that already. See docs/auth.md.

What an environment declares in `callers` becomes rules; any of them lets a caller in. They are asked before the
request's body is read, and before the ledger is opened.
"""

from __future__ import annotations

import hmac
import time
from dataclasses import field
from typing import TYPE_CHECKING, Final

from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.handlers.wiring import Settings, compiled_at
from retrigger.triggers.environment import KeyCaller
from retrigger.triggers.errors import NotAllowed, RetriggerError, Unavailable
from retrigger.triggers.frozen import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from retrigger.triggers.environment import EntraCaller, Environment, GoogleCaller

    class Rule(Protocol):
        def admit(self, call: Call, now: float) -> None:
            """Raises NotAllowed; Unavailable if it cannot be judged at the moment. `now`: seconds since 1970."""


# A web page that posts to a port of its reader's machine sends an Origin; a proxy in front of us sends one of the rest.
_NOT_DIRECT: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via", "origin")
_KEY_HEADERS: Final = ("aeg-sas-key", "x-functions-key")
_LARGEST_KEY_SET: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is known of a call before its body is read.

    Header names are in lower case. `code` is the query parameter of that name. `peer` is the address at the other end
    of the connection, None where the host does not tell.
    """

    headers: Mapping[str, str] = field(repr=False)
    code: str | None = field(default=None, repr=False)
    peer: str | None = None


class Callers:
    """The rules of one environment."""

    def __init__(self, rules: Sequence[Rule], clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock

    @classmethod
    def of(
        cls, environment: Environment, environ: Mapping[str, str], *, clock: Callable[[], float] = time.time
    ) -> Callers:
        """Sends nothing. Raises RetriggerError `not_configured` where a declared secret is not set."""
        return cls(_rules(environment, environ), clock)

    @classmethod
    def from_settings(cls, settings: Settings) -> Callers:
        """Those of the compiled project. Raises RetriggerError where it cannot be read, and as `of`."""
        return cls.of(compiled_at(settings.compiled).environment, settings.environ)

    def admit(self, call: Call) -> None:
        """Let the caller in, or raise what says most about why not: NotAllowed, or Unavailable (deliver it again)."""
        now = self._clock()
        refusals: list[NotAllowed | Unavailable] = []
        for rule in self._rules:
            try:
                rule.admit(call, now)
            except (NotAllowed, Unavailable) as refusal:
                refusals.append(refusal)
            else:
                return
        raise max(refusals, key=_weight)


class CheckedByPlatform:
    """Cloud Run with IAM, or the Functions host with a key: who comes this far has been let in."""

    def admit(self, call: Call, now: float) -> None:
        del call, now


@dataclass(frozen=True, slots=True)
class SameMachine:
    """Where nothing is declared: programs on loopback, without a proxy between."""

    environment: str

    def admit(self, call: Call, now: float) -> None:
        del now
        if not _is_loopback(call.peer) or any(name in call.headers for name in _NOT_DIRECT):
            message = (
                f"environment `{self.environment}` does not say who may call, so only programs of this machine may; "
                "add `callers` to it in retrigger.yaml, then compile and deploy again"
            )
            raise NotAllowed(message, code="callers_not_configured", status=403)


@dataclass(frozen=True, slots=True)
class KeyRule:
    """A secret, sent as the query parameter `code` or in one of two headers of Azure's."""

    secret: bytes = field(repr=False)

    def admit(self, call: Call, now: float) -> None:
        del now
        sent = [key for key in (call.code, *(call.headers.get(name) for name in _KEY_HEADERS)) if key is not None]
        if not sent:
            message = "the call has no key; send it in the header `aeg-sas-key` or as the query parameter `code`"
            raise NotAllowed(message, code="no_credentials", status=401)
        # Any text can be compared so; and compared in a time that does not tell how much of it was right.
        if not any(hmac.compare_digest(key.encode(errors="backslashreplace"), self.secret) for key in sent):
            raise NotAllowed("the key is not the one that is expected; send that", code="wrong_key", status=401)


def _rules(environment: Environment, environ: Mapping[str, str]) -> Sequence[Rule]:
    match environment.callers:
        case "platform":
            return [CheckedByPlatform()]
        case ():
            return [SameMachine(environment.name)]
        case declared:
            keys = [KeyRule(_secret(one.setting, environ)) for one in declared if isinstance(one, KeyCaller)]
            tokens = [one for one in declared if not isinstance(one, KeyCaller)]
            return [*keys, *(_token_rules(tokens, environment, environ) if tokens else [])]


def _token_rules(
    callers: Sequence[GoogleCaller | EntraCaller], environment: Environment, environ: Mapping[str, str]
) -> Sequence[Rule]:
    from retrigger.functions.tokens import token_rules  # a function without such a caller does without PyJWT

    settings = replace(HttpSettings.from_environment(environ), max_body=_LARGEST_KEY_SET, connections=1)
    return token_rules(callers, environment.services, Http(settings))


def _secret(setting: str, environ: Mapping[str, str]) -> bytes:
    secret = environ.get(setting)
    if not secret:
        message = f"{setting} is not set: `callers` names it as the variable that holds the key; set it, or take it out"
        raise RetriggerError(message, code="not_configured")
    return secret.encode(errors="surrogateescape")


def _is_loopback(peer: str | None) -> bool:
    """The kernel wrote the address: IPv4, IPv6, or one in the other."""
    return peer is not None and (peer == "::1" or peer.startswith(("127.", "::ffff:127.")))


def _weight(refusal: NotAllowed | Unavailable) -> tuple[int, int]:
    """First that it cannot be judged, then a no to a known caller, then one to a stranger; last, that nothing fits."""
    status = refusal.status if isinstance(refusal, NotAllowed) else 503
    return status, ("no_credentials", "token_issuer", refusal.code).index(refusal.code)
