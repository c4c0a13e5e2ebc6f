"""What jobs of every kind have in common on Vertex AI: the URL of their collection, their labels, and how both fail."""

from __future__ import annotations

import json
from string import ascii_lowercase, digits
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from retrigger.handlers.transport.api import first_line, object_in
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json

FINGERPRINT: Final = "retrigger-fingerprint"
GONE: Final = frozenset({404})
_LETTERS: Final = frozenset(ascii_lowercase)
_OF_LABELS: Final = frozenset(f"{ascii_lowercase}{digits}_-")
_OF_IDS: Final = _OF_LABELS - {"_"}


def address(location: str) -> str:
    """The public one of a region, or of all."""
    host = "aiplatform.googleapis.com" if location == "global" else f"{quote(location)}-aiplatform.googleapis.com"
    return f"https://{host}"


def collection_url(kind: str, project: str, location: str, endpoint: str | None = None) -> str:
    """A project's jobs of a kind in one location. `endpoint` replaces the region's public address."""
    base = endpoint.rstrip("/") if endpoint is not None else address(location)
    return f"{base}/v1/projects/{quote(project)}/locations/{quote(location)}/{kind}"


def is_job_id(text: str) -> bool:
    """Whether the platform takes the text as the id of a job: `[a-z][-a-z0-9]{0,126}`."""
    return _fits(text, 127, _OF_IDS)


def fitting_labels(labels: Mapping[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        if not _fits(key, 63, _OF_LABELS) or not (len(value) <= 63 and _OF_LABELS.issuperset(value)):
            raise Refused(
                f"label {key!r} does not fit: keys are [a-z][a-z0-9_-]{{0,62}}, values [a-z0-9_-]{{0,63}}; "
                "correct the labels in retrigger.yaml",
                code="invalid_label",
            )
    return dict(labels)


def _fits(text: str, longest: int, signs: frozenset[str]) -> bool:
    """By hand, here as above: to compile a pattern takes a cold start as long as forty labels do."""
    return 0 < len(text) <= longest and text[0] in _LETTERS and signs.issuperset(text)


def error_in(job: Mapping[str, Any]) -> str | None:
    """The first line of the error of a job, where it has one."""
    message = object_in(job, "error").get("message")
    return first_line(message) or None if isinstance(message, str) else None


def encoded(body: Mapping[str, Json]) -> bytes:
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    except ValueError as exc:
        raise Refused(
            "a parameter is not a finite number, which JSON cannot carry; correct its expression", code="not_finite"
        ) from exc
