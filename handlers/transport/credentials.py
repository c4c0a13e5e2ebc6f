"""Access tokens for Google's APIs: from the metadata server, or through google-auth where the machine has none."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.transport.connections import proxy_headers
from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.handlers.transport.http import Http, HttpSettings

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_OAUTH: Final = "https://oauth2.googleapis.com"
_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/token"
# The metadata server itself hands out a new token about four minutes before the old one ends.
_MARGIN: Final = 225.0
_PATIENCE: Final = 3.0
UNREACHED: Final = frozenset({"dns", "connection_refused", "connect_timeout"})
"""How an error says that there is no metadata server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """`metadata` is the server's base URL. `google_auth`: ask that library first, as every SDK of Google does."""

    metadata: str = "http://metadata.google.internal"
    google_auth: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], endpoint: str | None = None) -> TokenSettings:
        """`endpoint` (the emulator's metadata server) goes before everything that the machine offers."""
        if endpoint is not None:
            return cls(metadata=endpoint)
        host = environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
        return cls(metadata=f"http://{host}", google_auth="GOOGLE_APPLICATION_CREDENTIALS" in environ)


class KeptToken:
    """One token for all threads, fetched by one of them, and renewed shortly before it ends.

    `fetch` gives a token and its lifetime in seconds; `clock` is read in seconds too.
    """

    def __init__(self, fetch: Callable[[], tuple[str, float]], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._good_until = float("-inf")

    def token(self) -> str:
        """Raises Unavailable if no source answered, Refused if one said that there are no credentials here."""
        if self._clock() < self._good_until:
            return self._token
        with self._lock:
            if self._clock() >= self._good_until:
                asked = self._clock()
                self._token, lifetime = self._fetch()
                self._good_until = asked + lifetime - min(_MARGIN, lifetime / 2)
            return self._token

    def forget(self) -> None:
        """An API did not accept the token: the next call fetches another."""
        self._good_until = float("-inf")


class Tokens(KeptToken):
    """Google's."""

    def __init__(self, http: Http, settings: TokenSettings, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(self._from_anywhere, clock)
        self._http = http
        self._settings = settings

    def _from_anywhere(self) -> tuple[str, float]:
        if self._settings.google_auth:
            return _from_google_auth(self._http, self._clock)
        try:
            return self._from_metadata()
        except Unavailable as exc:
            if exc.code not in UNREACHED:
                raise
            # No metadata server: a laptop, where `gcloud auth application-default login` may have left credentials.
            return _from_google_auth(self._http, self._clock)

    def _from_metadata(self) -> tuple[str, float]:
        response = self._http.request(
            "GET",
            self._settings.metadata + _PATH,
            headers={"Metadata-Flavor": "Google"},
            timeout=_PATIENCE,
            write=False,
        )
        if response.status in {403, 404}:
            raise Refused(
                "the metadata server has no service account; attach one to the function", code="no_service_account"
            )
        if response.status != 200:
            raise Unavailable(f"the metadata server answered {response.status}; try again", code="no_token")
        match response.json():
            case {"access_token": str(token), "expires_in": int() | float() as lifetime} if token:
                return token, float(lifetime)
        raise Unavailable("the metadata server gave no token; check GCE_METADATA_HOST", code="no_token")


def _from_google_auth(http: Http, clock: Callable[[], float]) -> tuple[str, float]:
    """Any other kind of credentials: a service account's file, a federated workload's, a user's own.

    Slow to import, so only where a metadata server cannot serve.
    """
    try:
        import google.auth
        import google.auth.credentials
        import google.auth.exceptions
        import google.auth.transport.requests  # google-auth itself wants it for federated workloads
        import google.auth.transport.urllib3
        import urllib3
    except ImportError as exc:
        raise Unavailable(
            "no metadata server answers here, and the library that looks for other credentials is not installed; "
            "install `retrigger[credentials]`, or set GCE_METADATA_HOST",
            code="no_credentials",
        ) from exc
    new: Any = google.auth.transport.urllib3.Request  # google-auth publishes types for some of its functions only
    request = new(_pool(urllib3, http.settings))
    try:
        # Scopes come later: with them, the library would ask which project a federated workload belongs to. Nor is it
        # given our request here: it may look for a metadata server, which must not be sought behind a proxy.
        found, _ = google.auth.default()
        scope: Any = google.auth.credentials.with_scopes_if_required
        credentials = scope(found, [SCOPE])
        credentials.refresh(request)
    except google.auth.exceptions.DefaultCredentialsError as exc:
        raise Unavailable(
            "there are no Google credentials here; run `gcloud auth application-default login`, "
            "or set GOOGLE_APPLICATION_CREDENTIALS to a readable file",
            code="no_credentials",
        ) from exc
    except google.auth.exceptions.TransportError as exc:
        raise Unavailable("the token service did not answer; try again", code="no_token") from exc
    except google.auth.exceptions.GoogleAuthError as exc:
        raise Refused("Google did not accept the credentials; renew them", code="credentials_rejected") from exc
    return str(credentials.token), _lifetime(credentials, clock)


def _pool(urllib3: Any, settings: HttpSettings) -> Any:
    """A way to Google's token service, in the form that google-auth takes."""
    proxy = settings.proxy_for(_OAUTH)
    if proxy is None:
        return urllib3.PoolManager(ca_certs=settings.ca_bundle)
    return urllib3.ProxyManager(proxy, ca_certs=settings.ca_bundle, proxy_headers=proxy_headers(proxy))


def _lifetime(credentials: Any, clock: Callable[[], float]) -> float:
    """Seconds. google-auth states the end as a naive UTC datetime, or None for a token that does not end."""
    from datetime import UTC

    if credentials.expiry is None:
        return 3600.0
    return float(credentials.expiry.replace(tzinfo=UTC).timestamp() - clock())
