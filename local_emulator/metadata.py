"""The metadata servers of machines: who am I, where am I, and a token that the emulator's faces accept.

References: https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys, of which identity tokens are not
made; https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

_FLAVOR = {"Metadata-Flavor": "Google"}
_ROOT = "/computeMetadata/v1"
# Any face accepts any token; this one tells a reader of a log where it came from.
_NAME = "retrigger-emulator"
_LIFETIME = 3599
_TOKEN = {"access_token": _NAME, "expires_in": _LIFETIME, "token_type": "Bearer"}
_CLIENT = "00000000-0000-0000-0000-000000000000"
_NUMBER = "123456789012"


@dataclass(frozen=True, slots=True)
class Identity:
    """What the machine says of itself."""

    project: str
    location: str

    @property
    def email(self) -> str:
        return f"emulator@{self.project}.iam.gserviceaccount.com"


def routes(identity: Identity) -> list[Route]:
    """The ping at `/`, and everything that client libraries ask below `/computeMetadata/v1`."""
    texts = _texts(identity)
    account: dict[str, object] = {
        "aliases": ["default"],
        "email": identity.email,
        "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
    }

    async def ping(_: Request) -> Response:
        return PlainTextResponse("computeMetadata/\n", headers=_FLAVOR)

    async def answer(request: Request) -> Response:
        if request.headers.get("metadata-flavor") != "Google":
            return PlainTextResponse("Missing Metadata-Flavor:Google header.\n", 403, headers=_FLAVOR)
        path = str(request.scope["path"]).removeprefix(_ROOT).strip("/")
        for own in ("default", identity.email):
            folder = f"instance/service-accounts/{own}"
            if path == f"{folder}/token":
                return JSONResponse(_TOKEN, headers=_FLAVOR)
            if path == folder and request.query_params.get("recursive") == "true":
                return JSONResponse(account, headers=_FLAVOR)
        if path in texts:
            return PlainTextResponse(texts[path], headers=_FLAVOR)
        return PlainTextResponse("Not Found\n", 404, headers=_FLAVOR)

    async def managed_identity(request: Request) -> Response:
        resource = request.query_params.get("resource")
        if request.headers.get("metadata") != "true" or not resource:
            told = {"error": "invalid_request", "error_description": "Metadata: true and a resource are required"}
            return JSONResponse(told, 400)
        until = str(int(time.time()) + _LIFETIME)
        kept = {"expires_in": str(_LIFETIME), "expires_on": until, "not_before": "0", "resource": resource}
        return JSONResponse({"access_token": _NAME, "token_type": "Bearer", "client_id": _CLIENT, **kept})

    return [
        Route("/metadata/identity/oauth2/token", managed_identity),
        Route("/", ping),
        Route("/computeMetadata/", ping),
        Route(_ROOT + "/", ping),
        Route(_ROOT + "/{key:path}", answer),
    ]


def _texts(identity: Identity) -> Mapping[str, str]:
    texts = {
        "project/project-id": identity.project,
        "project/numeric-project-id": _NUMBER,
        "instance/region": f"projects/{_NUMBER}/regions/{identity.location}",
        "instance/zone": f"projects/{_NUMBER}/zones/{identity.location}-1",
        "universe/universe-domain": "googleapis.com",
        "instance/service-accounts": f"default/\n{identity.email}/\n",
    }
    for own in ("default", identity.email):
        texts[f"instance/service-accounts/{own}"] = "aliases\nemail\nscopes\ntoken\n"
        texts[f"instance/service-accounts/{own}/email"] = identity.email
        texts[f"instance/service-accounts/{own}/aliases"] = "default\n"
        texts[f"instance/service-accounts/{own}/scopes"] = "https://www.googleapis.com/auth/cloud-platform\n"
    return texts
