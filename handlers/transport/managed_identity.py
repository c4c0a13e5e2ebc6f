"""Access tokens of Microsoft Entra: of the managed identity that a platform gives, or else through azure-identity.

Sources: https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference, for Functions
too, and https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token (IMDS).
"""

from __future__ import annotations

import time
from dataclasses import field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from retrigger.handlers.transport.azure_identity import ask, named_by
from retrigger.handlers.transport.credentials import UNREACHED, KeptToken
from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.handlers.transport.azure_identity import Named
    from retrigger.handlers.transport.http import Http

STORAGE: Final = "https://storage.azure.com/"
# Of each cloud the resources that tokens for its Resource Manager and for its Azure ML name; as azure-ai-ml knows them.
_PUBLIC: Final = ("https://management.azure.com/", "https://ml.azure.com/")
_SOVEREIGN: Final = (
    ("https://management.usgovcloudapi.net/", "https://ml.azure.us/"),
    ("https://management.chinacloudapi.cn/", "https://ml.azure.cn/"),
)
IMDS_PATH: Final = "/metadata/identity/oauth2/token"
_IMDS: Final = "http://169.254.169.254"
_PATIENCE: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """`endpoint` is asked with `headers` for `version` of its API; `client_id` names one of several identities.

    AZURE_CLIENT_ID does, unless it stands beside a secret or a federated token: then it is that application's.

    `others`: where an endpoint that was not configured does not answer, azure-identity looks for credentials; it is
    asked first for those that `named` says.
    """

    endpoint: str
    version: str
    headers: Mapping[str, str] = field(repr=False)  # one of them is a secret
    client_id: str | None = None
    others: bool = False
    named: Named | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], endpoint: str | None = None) -> IdentitySettings:
        """`endpoint` (the emulator's metadata server) goes before everything that the machine offers."""
        named = named_by(environ)
        client_id = environ.get("AZURE_CLIENT_ID") if named is None else None
        functions, secret = environ.get("IDENTITY_ENDPOINT"), environ.get("IDENTITY_HEADER")
        if endpoint is None and functions and secret:
            headers = {"X-IDENTITY-HEADER": secret}
            return cls(endpoint=functions, version="2019-08-01", headers=headers, client_id=client_id)
        return cls(
            endpoint=(endpoint or _IMDS) + IMDS_PATH,
            version="2018-02-01",
            headers={"Metadata": "true"},
            client_id=client_id,
            others=endpoint is None,
            named=named if endpoint is None else None,
        )


def audiences_at(endpoint: str | None) -> tuple[str, str]:
    """The resources of Resource Manager and of Azure ML, told by where the former is asked.

    An address of no cloud (a private one, the emulator's) is taken for the public cloud's.
    """
    wanted = f"{(endpoint or '').rstrip('/')}/"
    return next((pair for pair in _SOVEREIGN if pair[0] == wanted), _PUBLIC)


class ManagedIdentityTokens(KeptToken):
    """For one resource, such as STORAGE. `clock` is read in seconds since 1970."""

    def __init__(
        self, http: Http, settings: IdentitySettings, resource: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(self._from_anywhere, clock)
        self._http = http
        self._settings = settings
        self._resource = resource

    def _from_anywhere(self) -> tuple[str, float]:
        if self._settings.named is not None:
            return ask(self._settings.named, self._resource, self._clock)
        try:
            return self._from_endpoint()
        except Unavailable as exc:
            if not self._settings.others or exc.code not in UNREACHED:
                raise
            return ask(None, self._resource, self._clock)  # a laptop, where `az login` may have left credentials

    def _from_endpoint(self) -> tuple[str, float]:
        it = self._settings
        query = {"api-version": it.version, "resource": self._resource}
        query |= {"client_id": it.client_id} if it.client_id is not None else {}
        url = f"{it.endpoint}?{urlencode(query)}"
        response = self._http.request("GET", url, headers=it.headers, timeout=_PATIENCE, write=False)
        if response.status in {400, 403}:
            message = "there is no managed identity here; give the function one, and check AZURE_CLIENT_ID"
            raise Refused(message, code="no_managed_identity")
        if response.status != 200:
            raise Unavailable(f"the identity endpoint answered {response.status}; try again", code="no_token")
        match response.json():
            case {"access_token": str(token), "expires_on": str() | int() as until} if token and str(until).isdigit():
                return token, float(until) - self._clock()
        raise Unavailable("the identity endpoint gave no token; check IDENTITY_ENDPOINT", code="no_token")
