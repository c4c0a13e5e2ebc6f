"""What a run was given: reads the manifest of a window's run in each of its forms (`json`, `uris`, `mltable`).

    from retrigger.manifest import read

    for member in read("/gcs/acme-pipelines/retrigger/churn-1f…/manifest.json").members:
        print(member.uri, member.version)

One file and the standard library alone: a pipeline's component that cannot install retrigger may carry a copy of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MAX_BYTES: Final = 256 << 20
_ENTRY: Final = re.compile(r"\s*-\s*(\w+)\s*:\s*(.*\S)\s*")


@dataclass(frozen=True)
class Member:
    """One object. Only `json` tells more than its URI: `size` in bytes, `rows` below the header where counted."""

    uri: str
    version: str | None = None
    size: int | None = None
    checksum: str | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """The members, in the order of their URIs."""

    members: tuple[Member, ...]

    @property
    def uris(self) -> tuple[str, ...]:
        return tuple(member.uri for member in self.members)


class NotAManifest(ValueError):
    """The text is a manifest in none of the forms."""


def read(path_or_text: str | Path) -> Manifest:
    """The manifest in a file, in a folder with an MLTable, or in a text: a string of several lines, or a JSON object.

    Raises NotAManifest, or OSError where a file cannot be read.
    """
    if isinstance(path_or_text, str) and _is_text(path_or_text):
        return parse(path_or_text)
    path = Path(path_or_text)
    file = path / "MLTable" if path.is_dir() else path
    if file.stat().st_size > MAX_BYTES:
        raise NotAManifest(f"{file} is larger than {MAX_BYTES >> 20} MiB: no manifest is")
    return parse(file.read_text(encoding="utf-8-sig"))


def parse(text: str) -> Manifest:
    """The manifest in a text, told by how it begins."""
    if text.lstrip().startswith("{"):
        return Manifest(_json_members(text))
    lines = text.replace("\r\n", "\n").split("\n")  # never at what else Unicode calls a line: names may hold it
    if any(line.rstrip() == "paths:" for line in lines):
        return Manifest(tuple(Member(uri) for uri in _mltable_uris(lines)))
    return Manifest(tuple(Member(_uri(line)) for line in lines if line))


def _is_text(given: str) -> bool:
    return "\n" in given or given.lstrip().startswith("{")


def _json_members(text: str) -> tuple[Member, ...]:
    """Keys that a newer version writes are left out."""
    try:
        listed: Any = json.loads(text)["members"]
        return tuple(
            Member(
                uri=_uri(member["uri"]),
                version=member.get("version"),
                size=member.get("size"),
                checksum=member.get("checksum"),
                rows=member.get("rows"),
            )
            for member in listed
        )
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, NotAManifest):
            raise
        raise NotAManifest("the JSON holds no `members`, each with its `uri`") from error


def _mltable_uris(lines: list[str]) -> list[str]:
    """The files under `paths:`; folders and patterns would have to be listed, which needs the store."""
    start = next(number for number, line in enumerate(lines) if line.rstrip() == "paths:") + 1
    uris = []
    for line in lines[start:]:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line.startswith((" ", "-")):
            break  # the next key of the MLTable
        entry = _ENTRY.fullmatch(line)
        if entry is None or entry[1] != "file":
            raise NotAManifest(f"the MLTable lists something else than files: {line.strip()[:100]}")
        uris.append(_scalar(entry[2]))
    return uris


def _scalar(text: str) -> str:
    """A scalar of YAML in one line: in double quotes it is a JSON string, in single ones a quote is doubled."""
    if text.startswith('"'):
        try:
            return _uri(json.loads(text))
        except json.JSONDecodeError as error:
            raise NotAManifest(f"the MLTable has a file that cannot be read: {text[:100]}") from error
    if text.startswith("'"):
        return text[1:].removesuffix("'").replace("''", "'")
    return text.partition(" #")[0].rstrip()


def _uri(value: object) -> str:
    if not isinstance(value, str) or not value or any(char in value for char in "\r\n\0"):
        raise NotAManifest("a member's URI must be text in one line")
    return value
