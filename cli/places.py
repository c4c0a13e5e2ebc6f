"""Objects of the emulator, of Cloud Storage or Blob, by the URIs that their events have: put there, or looked at."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlencode

import click

from retrigger.cli.errors import No
from retrigger.triggers.environment import PUBLIC_BLOB
from retrigger.triggers.formats import blob_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from retrigger.cli.local import Remote

_GCS: Final = "gs://"
_BLOB: Final = re.compile(r"https://([a-z0-9]{3,24})\.((?:z[0-9]{1,2}\.)?blob\.[^/]+)/([^/]+)/(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Target:
    """`account` is the storage account of a blob, None for Cloud Storage. The name is exact, never quoted.

    `suffix` is what follows the account's name in its host.
    """

    account: str | None
    bucket: str
    name: str
    suffix: str = PUBLIC_BLOB

    @property
    def uri(self) -> str:
        if self.account is None:
            return f"{_GCS}{self.bucket}/{self.name}"
        return blob_place.uri(blob_place.Place(self.account, self.bucket, self.name, self.suffix))


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store says of an object; `version` is 0 where nothing is known."""

    version: str = "0"
    size: int | None = None
    content_type: str | None = None
    checksum: str | None = None


def place_of(uri: str) -> Target | None:
    """None for what is no URI of an object."""
    if (found := _BLOB.fullmatch(uri)) is not None:
        return Target(found[1], found[3], unquote(found[4]), found[2])
    bucket, slash, name = uri.removeprefix(_GCS).partition("/")
    return Target(None, bucket, name) if uri.startswith(_GCS) and bucket and slash else None


def stored(emulator: Remote, place: Target) -> Stored:
    """Raises No if there is no such object."""
    if place.account is None:
        path = f"/storage/v1/b/{quote(place.bucket, safe='')}/o/{quote(place.name, safe='')}"
        told = emulator.call("GET", path)
        return Stored(told["generation"], int(told["size"]), told["contentType"], told["crc32c"])
    headers = emulator.blob("HEAD", _path(place)).headers
    md5 = headers.get("Content-MD5")
    checksum = None if md5 is None else f"md5:{md5}"
    return Stored(headers["ETag"].strip('"'), int(headers["Content-Length"]), headers["Content-Type"], checksum)


def targets(files: Sequence[Path], uri: str) -> Iterator[tuple[Path, Target]]:
    """Where each file goes. A URI that ends in `/` is a folder: the files keep their names."""
    to = place_of(uri)
    if to is None:
        places = "gs://BUCKET/NAME or https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME, or a folder with a `/`"
        raise click.UsageError(f"`{uri}` is no place: write {places}.")
    is_folder = not to.name or to.name.endswith("/")
    if len(files) > 1 and not is_folder:
        raise click.UsageError(f"{len(files)} files cannot have one name: end the URI with `/`.")
    for file in files:
        yield file, replace(to, name=to.name + file.name) if is_folder else to


def upload(emulator: Remote, file: Path, to: Target) -> Mapping[str, Any]:
    """What `--format json` tells: `uri`, `size`, and `generation` or `etag`. Raises No where it is refused."""
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    try:
        return _to_gcs(emulator, file, to, kind) if to.account is None else _to_blob(emulator, file, to, kind)
    except No as error:
        raise No(f"{to.uri}: {error.message} {_known(emulator, to.account)}") from error


def _to_gcs(emulator: Remote, file: Path, to: Target, kind: str) -> Mapping[str, Any]:
    query = urlencode({"uploadType": "media", "name": to.name}, quote_via=quote)
    with file.open("rb") as content:
        path = f"/upload/storage/v1/b/{quote(to.bucket, safe='')}/o?{query}"
        stored = emulator.call("POST", path, content, kind)
    return {"uri": to.uri, "generation": stored["generation"], "size": int(stored["size"])}


def _to_blob(emulator: Remote, file: Path, to: Target, kind: str) -> Mapping[str, Any]:
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": kind}
    with file.open("rb") as content:
        answer = emulator.blob("PUT", _path(to), content, headers)
        return {"uri": to.uri, "etag": answer.headers["ETag"].strip('"'), "size": content.tell()}


def _path(place: Target) -> str:
    return f"/{place.account}/{quote(place.bucket, safe='')}/{quote(place.name, safe='')}"


def _known(emulator: Remote, account: str | None) -> str:
    if account is None:
        listed = emulator.call("GET", "/storage/v1/b?project=local").get("items", [])
        return f"The buckets are {', '.join(sorted(item['name'] for item in listed)) or 'none'}."
    text = emulator.blob("GET", f"/{account}?comp=list").data.decode()
    return f"The containers of {account} are {', '.join(re.findall('<Name>([^<]*)</Name>', text)) or 'none'}."
