"""Templates that live elsewhere: fetched with the caller's own credentials, and kept in the project.

What may move is asked for its version each time, and fetched where that is another than the copy's. The registry's API:
https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories.packages.tags.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin, urlsplit

from retrigger.handlers.adapters.gcs import GcsObjects
from retrigger.handlers.transport.credentials import KeptToken, Tokens, TokenSettings
from retrigger.handlers.transport.google import GoogleApi
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.triggers.authoring.addresses import DIGEST, InBucket, address_of
from retrigger.triggers.authoring.files import MAX_TEMPLATE, Unfit
from retrigger.triggers.authoring.kept import Copy, KeptTemplates
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from retrigger.triggers.authoring.addresses import InRegistry

_REGISTRY: Final = "https://artifactregistry.googleapis.com"
_ABSENT: Final = frozenset({"not_found", "http_404", "object_gone"})
_MOVED: Final = frozenset({301, 302, 303, 307, 308})


def fetching(root: Path, environ: Mapping[str, str]) -> FetchedTemplates:
    """`STORAGE_EMULATOR_HOST` is where Cloud Storage is, as to Google's client; no token of the caller's goes there."""
    http = Http(replace(HttpSettings.from_environment(environ), max_body=MAX_TEMPLATE))
    api = GoogleApi(http, Tokens(http, TokenSettings.from_environment(environ)))
    emulator = environ.get("STORAGE_EMULATOR_HOST")
    if not emulator:
        return FetchedTemplates(root, http, api)
    nobody = GoogleApi(http, KeptToken(lambda: ("none", 3600.0), time.time))
    endpoint = emulator if "://" in emulator else f"http://{emulator}"
    return FetchedTemplates(root, http, api, objects=GcsObjects(nobody, endpoint=endpoint))


class FetchedTemplates:
    """The port `Templates`. `objects` replaces Cloud Storage, `registry` both addresses of Artifact Registry."""

    def __init__(
        self, root: Path, http: Http, api: GoogleApi, *, objects: GcsObjects | None = None, registry: str | None = None
    ) -> None:
        self._kept = KeptTemplates(root)
        self._objects = objects or GcsObjects(api)
        self._http = http
        self._api = api
        self._registry = registry

    def read(self, address: str) -> Copy:
        """Raises Unfit with the next step where there is none for this caller, Unavailable where nobody answers."""
        try:
            place = address_of(address)
            assert place is not None, "files.read_template reads the others"
            return self._object(address, place) if isinstance(place, InBucket) else self._package(address, place)
        except Refused as error:
            if error.code in _ABSENT:
                raise _absent(address) from error
            raise Unfit("template_refused", f"`{address}` cannot be read: {error}") from error
        except Unavailable as error:
            told = f"`{address}` cannot be fetched: {error} (--offline takes the copy that was fetched before)"
            raise Unavailable(told, code=error.code) from error

    def _object(self, address: str, place: InBucket) -> Copy:
        stat = self._objects.stat(place.bucket, place.name)
        if stat is None:
            raise _absent(address)
        if stat.size > MAX_TEMPLATE:
            raise Unfit("file_too_large", f"`{address}` is larger than {MAX_TEMPLATE >> 20} MiB")
        return self._once(
            address,
            stat.version,
            lambda: b"".join(self._objects.read(place.bucket, place.name, version=stat.version, limit=MAX_TEMPLATE)),
        )

    def _package(self, address: str, place: InRegistry) -> Copy:
        version = place.reference if place.is_pinned else self._version(place)
        host = self._registry or f"https://{place.location}-kfp.pkg.dev"
        url = "/".join(quote(part, safe=":") for part in (place.project, place.repository, place.package, version))
        return self._once(address, version, lambda: self._download(f"{host}/{url}"))

    def _download(self, url: str) -> bytes:
        """A redirect is followed once, as Google's client does; our token goes to the registry alone."""
        answer = self._api.call("GET", url, accept=_MOVED)
        if answer.status not in _MOVED:
            return answer.body
        place = urljoin(url, answer.headers.get("location", ""))
        if urlsplit(place)[:2] == urlsplit(url)[:2]:
            return self._api.call("GET", place).body
        if urlsplit(place).scheme not in {"https", urlsplit(url).scheme}:
            raise Unavailable("the registry sends us where nothing is encrypted", code="odd_answer")
        moved = self._http.request("GET", place, headers={}, write=False)
        if moved.status != 200:
            raise self._api.refusal(moved, place)
        return moved.body

    def _version(self, place: InRegistry) -> str:
        """The version that a tag means now."""
        repository = f"projects/{place.project}/locations/{place.location}/repositories/{place.repository}"
        tag = f"{repository}/packages/{place.package}/tags/{place.reference}"
        told = self._api.call("GET", f"{self._registry or _REGISTRY}/v1/{quote(tag, safe='/:')}").json().get("version")
        version = told.rpartition("/")[2] if isinstance(told, str) else ""
        if not version.startswith(DIGEST):
            raise Unavailable("the registry does not say which version the tag means", code="odd_answer")
        return version

    def _once(self, address: str, version: str, fetch: Callable[[], bytes]) -> Copy:
        """The copy, if it is of this version."""
        copy = self._kept.find(address)
        if copy is not None and copy.version == version:
            return copy
        return self._kept.keep(address, Copy(fetch(), version))


def _absent(address: str) -> Unfit:
    return Unfit("missing_template", f"`{address}` is not there: upload the compiled pipeline, or correct the address")
