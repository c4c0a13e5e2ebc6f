"""Copies of templates that live elsewhere, in the project's folder: what is compiled where nothing may be fetched.

A copy lies under the SHA-256 of what it holds; beside it, for each address, which copy it gave last.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from retrigger.triggers.authoring.files import Unfit

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = ".retrigger/templates"


@dataclass(frozen=True, slots=True)
class Copy:
    """What an address held. `version` changes with it: a generation, or a digest of the registry."""

    data: bytes
    version: str


class Templates(Protocol):
    """Where templates that live outside of the project are had from."""

    def read(self, address: str) -> Copy:
        """Raises Unfit with the next step where there is none, Unavailable where it is not known."""


class KeptTemplates:
    """The port `Templates`, over what was fetched before."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER

    def read(self, address: str) -> Copy:
        copy = self.find(address)
        if copy is None:
            raise Unfit("not_fetched", f"`{address}` was not fetched yet: `retrigger check` does, and keeps a copy")
        return copy

    def find(self, address: str) -> Copy | None:
        """None where there is no copy, or not the one that was kept."""
        try:
            entry = json.loads(self._entry(address).read_bytes())
            data = self._copy(entry["sha256"]).read_bytes()
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if entry.get("address") != address or hashlib.sha256(data).hexdigest() != entry["sha256"]:
            return None
        return Copy(data, str(entry["version"]))

    def keep(self, address: str, copy: Copy) -> Copy:
        sha256 = hashlib.sha256(copy.data).hexdigest()
        self._folder.mkdir(parents=True, exist_ok=True)
        _write(self._folder / ".gitignore", b"*\n")  # nothing of it belongs into a repository
        _write(self._copy(sha256), copy.data)
        entry = {"address": address, "version": copy.version, "sha256": sha256}
        _write(self._entry(address), json.dumps(entry).encode())
        return copy

    def _entry(self, address: str) -> Path:
        return self._folder / f"{hashlib.sha256(address.encode()).hexdigest()[:32]}.json"

    def _copy(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.template"


def _write(path: Path, data: bytes) -> None:
    """The whole file or none of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(path)
