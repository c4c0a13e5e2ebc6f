"""Manifests: that of a window's run, in the form that its pipeline reads, and those that say what a window waits for.

`retrigger.manifest` reads for pipelines what is written here.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from retrigger.triggers.errors import Refused
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from retrigger.triggers.spec import ManifestFormat

_UNPRINTABLE: Final = r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
"""What JSON leaves as it is in a string, and YAML does not."""
NAMES_AT_MOST: Final = 100_000
_FIELDS = ("uri", "version", "size", "checksum", "rows")


@dataclass(frozen=True, slots=True)
class Written:
    """`path`: where the file goes, below the run's own folder; `named`: what the pipeline is told of that."""

    path: str
    named: str
    data: bytes


def written(members: Iterable[Mapping[str, Any]], form: ManifestFormat) -> Written:
    """The members in the order of their URIs. An MLTable is a folder with a file of that name.

    Its format: https://learn.microsoft.com/azure/machine-learning/reference-yaml-mltable.
    """
    listed = sorted(({field: member[field] for field in _FIELDS} for member in members), key=_by_uri)
    match form:
        case "json":
            text = json.dumps({"members": listed}, indent=1)
            return Written("manifest.json", "manifest.json", text.encode())
        case "uris":
            text = "".join(f"{member['uri']}\n" for member in listed)
            return Written("manifest.txt", "manifest.txt", text.encode())
        case "mltable":
            paths = "".join(f"  - file: {_quoted(str(member['uri']))}\n" for member in listed)
            return Written("manifest/MLTable", "manifest", f"type: mltable\npaths:\n{paths}".encode())


def listed(data: bytes) -> list[tuple[str, str]]:
    """(place, URI) of all that an object lists: JSON as above, of whose members only `uri` counts, or a URI a line.

    Raises Refused `bad_manifest`, which says where, and never what.
    """
    try:
        text = data.decode("utf-8-sig")
        found = _of_json(text) if text.lstrip().startswith("{") else _of_lines(text)
    except UnicodeDecodeError as error:
        raise Refused(f"byte {error.start} is no UTF-8", code="bad_manifest") from error
    if not found:
        raise Refused("it lists nothing", code="bad_manifest")
    if len(found) > NAMES_AT_MOST:
        raise Refused(f"it lists more than {NAMES_AT_MOST:,} objects", code="bad_manifest")
    return found


def _of_lines(text: str) -> list[tuple[str, str]]:
    lines = (line.removesuffix("\r") for line in text.split("\n"))  # a name may hold what else Unicode calls a line
    return [(f"line {number}", line) for number, line in enumerate(lines, 1) if line]


def _of_json(text: str) -> list[tuple[str, str]]:
    try:
        members = json.loads(text)["members"]
    except (ValueError, RecursionError, KeyError) as error:
        raise Refused("it begins as JSON, and holds no `members`", code="bad_manifest") from error
    if not isinstance(members, list):
        raise Refused("its `members` are no list", code="bad_manifest")
    found = []
    for number, member in enumerate(members, 1):
        uri = member.get("uri") if isinstance(member, dict) else None
        if not isinstance(uri, str):
            raise Refused(f"member {number} has no `uri`", code="bad_manifest")
        found.append((f"member {number}", uri))
    return found


def _quoted(text: str) -> str:
    """A JSON string that is a double-quoted scalar of YAML too: nothing in a name can become anything else."""
    return re.sub(_UNPRINTABLE, lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _by_uri(member: Mapping[str, Any]) -> str:
    return str(member["uri"])
