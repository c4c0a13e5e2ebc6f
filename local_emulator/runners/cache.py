"""Results of tasks, kept by the hash of everything that went into them."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.runners.values import Values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from retrigger.local_emulator.runners.gcs import Mount

_CHUNK = 1 << 20


class Cache:
    """One file a result, below `folder`; the artifacts' bytes stay where the task wrote them."""

    def __init__(self, folder: Path, mount: Mount) -> None:
        self._folder = folder
        self._mount = mount

    def key(self, container: Mapping[str, Any], inputs: Values, outputs: Mapping[str, Any]) -> str:
        """Hash a task: its container, the values it gets, the contents (not the places) of its artifacts."""
        artifacts = {
            name: [[_content(self._mount.local(item.uri)) or item.uri, dict(item.metadata)] for item in items]
            for name, items in inputs.artifacts.items()
        }
        recipe = [dict(container), dict(inputs.parameters), artifacts, dict(outputs)]
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()

    def get(self, key: str) -> Values | None:
        """Return a stored result whose artifacts still have their bytes, which are then in this job's mount."""
        with suppress(FileNotFoundError):
            entry = json.loads((self._folder / f"{key}.json").read_text(encoding="utf-8"))
            if all(self._adopt(uri, path) for uri, path in entry["files"].items()):
                return Values.from_json(entry["outputs"])
        return None

    def put(self, key: str, outputs: Values) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        uris = [artifact.uri for items in outputs.artifacts.values() for artifact in items]
        files = {uri: os.path.realpath(path) for uri in uris if (path := self._mount.local(uri)).exists()}
        partial = self._folder / f"{key}.{os.getpid()}.partial"
        partial.write_text(json.dumps({"outputs": outputs.as_json(), "files": files}), encoding="utf-8")
        partial.replace(self._folder / f"{key}.json")

    def _adopt(self, uri: str, path: str) -> bool:
        """Make an earlier job's artifact readable in this one: from that job's folder, else from the store."""
        local = self._mount.local(uri)
        if not local.exists() and os.path.exists(path):  # noqa: PTH110 (a recorded string, not a path of ours)
            local.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):  # another task of this job had the same idea
                local.symlink_to(path)
        return self._mount.fetch(uri)


def _content(path: Path) -> str:
    """Hash a file, or a folder's files with their names; "" where there is nothing."""
    if not path.exists():
        return ""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(json.dumps([file.relative_to(path).as_posix(), file.stat().st_size]).encode())
        with file.open("rb") as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
