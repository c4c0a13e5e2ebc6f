"""What the composition root puts together of Google Cloud: Vertex AI, Cloud Storage, Pub/Sub, and their tokens.

`services` (see Environment) says where an API is, if not at its public address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.handlers.transport.credentials import Tokens, TokenSettings
from retrigger.handlers.transport.google import GoogleApi
from retrigger.handlers.transport.http import Http, HttpSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.endpoints import Endpoints
    from retrigger.handlers.ports import Launcher, Objects, Publisher, Records
    from retrigger.triggers.environment import Environment


def api_of(environment: Environment, environ: Mapping[str, str]) -> GoogleApi:
    """A way to every API of Google's, with the tokens of this process."""
    http = Http(HttpSettings.from_environment(environ))
    return GoogleApi(http, _tokens(http, environ, environment.services))


def records_of(address: str, environ: Mapping[str, str], services: Mapping[str, str]) -> Records:
    """The ledger at `gs://BUCKET[/FOLDER]`."""
    from retrigger.handlers.adapters.buckets import gcs_records

    settings = HttpSettings.from_environment(environ)
    tokens = _tokens(Http(settings), environ, services)
    return gcs_records(address, settings, tokens, services.get("storage"))


def launcher_of(environment: Environment, api: GoogleApi, *, ahead: bool = False) -> Launcher:
    """`ahead`: its address is connected to, and a token fetched, while the caller has other work."""
    from retrigger.handlers.adapters.vertex.client import VertexLauncher
    from retrigger.handlers.adapters.vertex.resources import address

    if ahead:
        api.prepare(environment.services.get("vertex", address(environment.location)))
    return VertexLauncher(
        api,
        project=environment.project,
        location=environment.location,
        endpoint=environment.services.get("vertex"),
    )


def objects_of(environment: Environment, api: GoogleApi) -> Objects:
    from retrigger.handlers.adapters.gcs import PUBLIC, GcsObjects

    return GcsObjects(api, endpoint=environment.services.get("storage", PUBLIC))


def endpoints_of(environment: Environment, environ: Mapping[str, str]) -> Endpoints:
    from retrigger.handlers.adapters.vertex.endpoints import VertexEndpoints

    return VertexEndpoints(
        api_of(environment, environ),
        Http(HttpSettings.from_environment(environ)),
        project=environment.project,
        location=environment.location,
        endpoint=environment.services.get("vertex"),
        monitoring=environment.services.get("monitoring"),
    )


def publisher_of(environment: Environment, environ: Mapping[str, str], address: str) -> Publisher:
    """Of a topic."""
    from retrigger.handlers.adapters.pubsub import PUBLIC, PubSubPublisher

    return PubSubPublisher(api_of(environment, environ), address, endpoint=environment.services.get("pubsub", PUBLIC))


def _tokens(http: Http, environ: Mapping[str, str], services: Mapping[str, str]) -> Tokens:
    return Tokens(http, TokenSettings.from_environment(environ, endpoint=services.get("metadata")))
