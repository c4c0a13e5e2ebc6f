"""Blob Storage in a job: a folder that stands for it, and the emulated store behind that folder.

A step reads and writes files below the job's `blobs` folder. Before it runs its inputs are fetched from the store;
after it succeeded its outputs are published there.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore

from retrigger.local_emulator.runners.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Iterator

_IGNORED = shutil.ignore_patterns(".git", "__pycache__", ".venv", ".retrigger")


class Mount:
    """Maps `https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME` to `root/ACCOUNT/CONTAINER/NAME`; safe for threads.

    `endpoint` is where the emulator serves Blob.
    """

    def __init__(self, root: Path, endpoint: str) -> None:
        self._root = root
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._here: set[str] = set()

    def local(self, uri: str) -> Path:
        """Return where the bytes of an address are, or would be. Errors: PipelineError if they cannot be here."""
        parts = urlsplit(uri)
        if parts.scheme == "file":
            return Path(unquote(parts.path))
        account, container, name = _place(uri)
        path = self._root / account / container / name
        if ".." in path.parts:
            raise PipelineError(f"{uri} climbs out of its container")
        return path

    def fetch(self, uri: str) -> Path:
        """Bring a blob, or all blobs of a folder, here. Errors: PipelineError if there is nothing at the address."""
        path = self.local(uri)
        with self._lock:
            if uri not in self._here and not uri.startswith("file:"):
                self._download(uri, path)
                self._here.add(uri)
        if not path.exists():
            raise PipelineError(f"there is nothing at {uri}")
        return path

    def publish(self, uri: str) -> None:
        """Upload what a step wrote there, a file or a folder. Errors: PipelineError if the store refuses."""
        if not uri.startswith("file:"):
            self.upload(self.local(uri), uri)
        with self._lock:
            self._here.add(uri)

    def upload(self, path: Path, uri: str) -> None:
        """Put a file, or all files of a folder, at an address. Errors: PipelineError if the store refuses."""
        account, container, name = _place(uri)
        store = self._store(account, container)
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        try:
            for file in files:
                below = f"{name.rstrip('/')}/{file.relative_to(path).as_posix()}".lstrip("/")
                obstore.put(store, name if path.is_file() else below, file)
        except (BaseError, FileNotFoundError) as error:
            raise PipelineError(f"cannot write {uri}: {_reason(error)}") from error

    def copy_code(self, uri: str, folder: Path) -> None:
        """Put a component's code, a folder or one file, into the folder that its command runs in."""
        source = self.fetch(uri)
        if source.is_file():
            shutil.copy2(source, folder)
        else:
            shutil.copytree(source, folder, dirs_exist_ok=True, ignore=_IGNORED)

    def _download(self, uri: str, path: Path) -> None:
        account, container, name = _place(uri)
        store = self._store(account, container)
        try:
            for member in _members(store, name):
                target = path / member.removeprefix(name).lstrip("/") if member != name else path
                self._contained(target, uri)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as sink:
                    for chunk in obstore.get(store, member):
                        sink.write(chunk)
        except (BaseError, FileNotFoundError) as error:
            raise PipelineError(f"cannot read {uri}: {_reason(error)}") from error

    def _contained(self, target: Path, uri: str) -> None:
        if ".." in target.parts:
            raise PipelineError(f"{uri} holds a name that climbs out of it: {target.name!r}")

    def _store(self, account: str, container: str) -> AzureStore:
        address = f"{self._endpoint.rstrip('/')}/{account}"
        return AzureStore(
            container,
            config={"account_name": account, "endpoint": address, "token": "emulator"},
            client_options={"allow_http": True},
        )


def _members(store: AzureStore, name: str) -> Iterator[str]:
    """The blob of this name, or else all below it."""
    if name and not name.endswith("/"):
        try:
            obstore.head(store, name)
        except FileNotFoundError:
            pass
        else:
            yield name
            return
    for page in obstore.list(store, prefix=name.rstrip("/") or None):
        for found in page:
            if not found["path"].endswith("/"):
                yield found["path"]


def _place(uri: str) -> tuple[str, str, str]:
    """ACCOUNT, CONTAINER and NAME, which may be ""."""
    parts = urlsplit(uri)
    account, _, service = (parts.hostname or "").partition(".")
    container, _, name = unquote(parts.path).lstrip("/").partition("/")
    if parts.scheme != "https" or not service.startswith("blob.") or not container:
        raise PipelineError(f"{uri!r} is no address of a blob: https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME")
    return account, container, name


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0][:500]
