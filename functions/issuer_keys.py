"""The public keys of a token issuer: fetched when they are first needed, kept as long as it says, never hammered.

A key set is JSON Web Keys (RFC 7517, section 5). An unknown key may be one that the issuer has just begun to use, or
an attacker's invention: the first must not lose an event, the second must not make us a nuisance to the issuer.
"""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import field
from typing import TYPE_CHECKING, Final

from jwt import PyJWK, PyJWTError

from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.transport.http import Http, Response
    from retrigger.triggers.event import Json

SHORTEST_S: Final = 300.0
LONGEST_S: Final = 24 * 3600.0
UNKNOWN_KEY_S: Final = 60.0
"""An unknown key is looked for at most this often."""
RETRY_S: Final = 5.0
"""Keys that could not be fetched are asked for at most this often."""
_PATIENCE_S: Final = 3.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """Keys by their id, when they were fetched, and until when the issuer lets them be kept. Seconds since 1970."""

    keys: Mapping[str, PyJWK] = field(default_factory=dict)
    fetched: float = float("-inf")
    fresh_until: float = float("-inf")


class IssuerKeys:
    """For all threads; one of them fetches, the others wait for it only if they need what it fetches."""

    def __init__(self, http: Http, url: str) -> None:
        self._http = http
        self._url = url
        self._lock = threading.Lock()
        self._known = _Known()
        self._asked = float("-inf")
        self._failure: Refused | Unavailable | None = None

    def key(self, kid: str, now: float) -> PyJWK | None:
        """None if the issuer has no key of this id. Raises Unavailable where that cannot be said at the moment."""
        known = self._known
        if kid in known.keys and now < known.fresh_until:
            return known.keys[kid]
        with self._lock:
            if self._is_due(now):
                self._fetch(now)
            known = self._known
            if kid in known.keys and now < known.fetched + LONGEST_S:
                return known.keys[kid]
            if self._failure is not None:
                message = f"the keys that tokens are checked with are not to be had: {self._failure}"
                raise Unavailable(message, code="keys_unavailable") from self._failure
            return None

    def _is_due(self, now: float) -> bool:
        """Asked for with the lock held: while the keys are fresh, only an unknown one brings a caller this far."""
        pause = UNKNOWN_KEY_S if now < self._known.fresh_until else RETRY_S
        return now - self._asked >= pause

    def _fetch(self, now: float) -> None:
        self._asked = now
        try:
            response = self._http.request("GET", self._url, headers={}, timeout=_PATIENCE_S, write=False)
            keys = _keys(response)
        except (Refused, Unavailable) as failure:
            self._failure = failure
            _LOG.warning("keys_not_fetched", extra={"fields": {"code": failure.code, "reason": str(failure)}})
        else:
            self._failure = None
            self._known = _Known(keys, now, now + _lifetime(response.headers.get("cache-control", "")))


def _keys(response: Response) -> dict[str, PyJWK]:
    """The RSA keys for signatures; what else is in the set is for others. Raises Unavailable if there is none."""
    if response.status != 200:
        raise Unavailable(f"their address answered {response.status}; try again", code="keys_unavailable")
    listed = response.json().get("keys")
    keys = dict(found for data in listed if (found := _key(data))) if isinstance(listed, list) else {}
    if not keys:
        raise Unavailable("their address gave no RSA key; check it", code="keys_unavailable")
    return keys


def _key(data: Json) -> tuple[str, PyJWK] | None:
    match data:
        case {"kty": "RSA", "kid": str(kid), "n": str(n), "e": str(e), **rest} if rest.get("use", "sig") == "sig":
            try:
                # The algorithm is ours to say: neither the key's word for it counts, nor the token's.
                return kid, PyJWK({"kty": "RSA", "n": n, "e": e}, algorithm="RS256")
            except PyJWTError:
                return None
        case _:
            return None


def _lifetime(cache_control: str) -> float:
    """Seconds, from `max-age`; the shortest where there is none."""
    found = re.search(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])", cache_control, re.ASCII | re.IGNORECASE)
    return min(max(float(found[1]), SHORTEST_S), LONGEST_S) if found else SHORTEST_S
