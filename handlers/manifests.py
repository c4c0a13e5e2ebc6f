"""The manifest of a window's run, in the form that its pipeline reads. `retrigger.manifest` reads all of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from retrigger.triggers.spec import ManifestFormat

_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What JSON leaves as it is in a string, and YAML does not."""
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


def _quoted(text: str) -> str:
    """A JSON string that is a double-quoted scalar of YAML too: nothing in a name can become anything else."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _by_uri(member: Mapping[str, Any]) -> str:
    return str(member["uri"])
