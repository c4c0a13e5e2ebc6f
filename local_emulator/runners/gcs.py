"""`gs://` in a job: a folder that stands for it, and the emulated store behind that folder.

A component reads and writes `artifact.path`, a file below the job's `gcs` folder. Before a task its inputs are fetched
from the store; after it succeeded its outputs are published there. Without a store (`STORAGE_EMULATOR_HOST` not set)
the folder is all there is. Source: Cloud Storage JSON API v1.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import urllib3

from retrigger.local_emulator.runners.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEME = "gs://"
_CHUNK = 1 << 20


class Mount:
    """Maps `gs://bucket/name` to a path below `root`, and moves bytes between there and the store at `endpoint`."""

    def __init__(self, root: Path, endpoint: str | None) -> None:
        self.root = root
        if endpoint and "://" not in endpoint:
            endpoint = f"http://{endpoint}"
        self._endpoint = endpoint.rstrip("/") if endpoint else None
        self._http = urllib3.PoolManager(retries=urllib3.Retry(3, backoff_factor=0.2), timeout=60.0)

    def local(self, uri: str) -> Path:
        """Return where the bytes of a URI are, or would be. Errors: PipelineError if that is outside of the mount."""
        if not uri.startswith(_SCHEME):
            return Path(uri)
        path = self.root / uri.removeprefix(_SCHEME)
        if ".." in path.parts:
            raise PipelineError(f"{uri} climbs out of its bucket")
        return path

    def fetch(self, uri: str) -> bool:
        """Bring an object, or all objects of a folder, into the mount; True if there are bytes now."""
        path = self.local(uri)
        if path.exists():
            return True
        if not uri.startswith(_SCHEME) or self._endpoint is None:
            return False
        bucket, _, name = uri.removeprefix(_SCHEME).partition("/")
        if name and self._download(bucket, name, path):
            return True
        folder = f"{name.rstrip('/')}/" if name else ""
        for member in self._names(bucket, folder):
            if not member.endswith("/"):
                self._download(bucket, member, self.local(f"{_SCHEME}{bucket}/{member}"))
        return path.exists()

    def matching(self, uri: str) -> list[str]:
        """The URIs of the objects that a URI with `*` stands for: within a folder, as Cloud Storage's tools have it."""
        place, _, _ = uri.partition("*")
        bucket, _, name = uri.removeprefix(_SCHEME).partition("/")
        prefix = place.removeprefix(f"{_SCHEME}{bucket}/")
        pattern = re.compile("[^/]*".join(re.escape(part) for part in name.split("*")))
        return [f"{_SCHEME}{bucket}/{it}" for it in sorted(self._names(bucket, prefix)) if pattern.fullmatch(it)]

    def publish(self, uri: str) -> None:
        """Upload what a task wrote below the URI, a file or a folder. Errors: PipelineError if the store refuses."""
        path = self.local(uri)
        if not uri.startswith(_SCHEME) or self._endpoint is None or not path.exists():
            return
        bucket, _, name = uri.removeprefix(_SCHEME).partition("/")
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        for file in files:
            below = file.relative_to(path).as_posix() if path.is_dir() else ""
            self._upload(bucket, f"{name.rstrip('/')}/{below}" if below else name, file)

    def _download(self, bucket: str, name: str, path: Path) -> bool:
        url = f"{self._endpoint}/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}?alt=media"
        response = self._http.request("GET", url, preload_content=False)
        try:
            if response.status == 404:
                return False
            self._check(response.status, "read", bucket, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.partial")
            with partial.open("wb") as sink:
                for chunk in response.stream(_CHUNK):
                    sink.write(chunk)
            partial.replace(path)
        finally:
            response.release_conn()
        return True

    def _names(self, bucket: str, prefix: str) -> Iterator[str]:
        url = f"{self._endpoint}/storage/v1/b/{quote(bucket, safe='')}/o"
        fields = {"prefix": prefix, "maxResults": "1000"}
        while True:
            response = self._http.request("GET", url, fields=fields)
            if response.status == 404:
                return
            self._check(response.status, "list", bucket, prefix)
            page = response.json()
            yield from (item["name"] for item in page.get("items", ()))
            if not page.get("nextPageToken"):
                return
            fields["pageToken"] = page["nextPageToken"]

    def _upload(self, bucket: str, name: str, file: Path) -> None:
        place = f"{self._endpoint}/upload/storage/v1/b/{quote(bucket, safe='')}/o"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
        with file.open("rb") as source:
            url = f"{place}?uploadType=media&name={quote(name, safe='')}"
            response = self._http.request("POST", url, body=source, headers=headers)
        self._check(response.status, "write", bucket, name)

    @staticmethod
    def _check(status: int, verb: str, bucket: str, name: str) -> None:
        if status >= 400:
            reason = "there is no such bucket" if status == 404 else f"the store answered {status}"
            raise PipelineError(f"cannot {verb} gs://{bucket}/{name}: {reason}")
