"""Where a template may live outside of the project: in a bucket of Cloud Storage, or in Artifact Registry.

The registry's addresses: https://cloud.google.com/artifact-registry/docs/kfp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

_PART: Final = r"[A-Za-z0-9][-A-Za-z0-9._:]{0,127}"
_BUCKET: Final = r"gs://([a-z0-9][-a-z0-9_.]{1,220}[a-z0-9])/([^\x00-\x1f]{1,1024})"
_REGISTRY: Final = (
    rf"https://([a-z0-9][-a-z0-9]{{0,62}})-kfp\.pkg\.dev/({_PART})/({_PART})/({_PART})/"
    r"(sha256:[0-9a-f]{64}|[A-Za-z0-9][-A-Za-z0-9._]{0,127})"
)
PATTERN: Final = rf"(?!gs://|https?://)[^\x00-\x1f]{{1,1024}}|{_BUCKET}|{_REGISTRY}"
"""Of an address, or of a path from the project's root."""
DIGEST: Final = "sha256:"


@dataclass(frozen=True, slots=True)
class InBucket:
    """An object of Cloud Storage."""

    bucket: str
    name: str


@dataclass(frozen=True, slots=True)
class InRegistry:
    """A compiled pipeline of a repository of Artifact Registry. `reference`: a tag, which may move, or a digest."""

    location: str
    project: str
    repository: str
    package: str
    reference: str

    @property
    def is_pinned(self) -> bool:
        return self.reference.startswith(DIGEST)


Address: TypeAlias = InBucket | InRegistry


def address_of(template: str) -> Address | None:
    """None for a path in the project."""
    if (found := re.fullmatch(_BUCKET, template)) is not None:
        return InBucket(*found.groups())
    if (found := re.fullmatch(_REGISTRY, template)) is not None:
        return InRegistry(*found.groups())
    return None


def pinned(template: str, version: str) -> str | None:
    """The address that always means this version, as Vertex AI is told it; None where it is told none."""
    if not isinstance(address_of(template), InRegistry):
        return None
    return f"{template.rpartition('/')[0]}/{version}"
