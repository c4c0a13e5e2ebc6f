"""What jobs of every kind have in common on Vertex AI: the URL of their collection, their labels, and how both fail."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from retrigger.handlers.transport.api import first_line, object_in
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json

FINGERPRINT: Final = "retrigger-fingerprint"
GONE: Final = frozenset({404})
_LABEL: Final = r"[a-z][a-z0-9_-]{0,62}"
_LABEL_VALUE: Final = r"[a-z0-9_-]{0,63}"


def address(location: str) -> str:
    """The public one of a region, or of all."""
    host = "aiplatform.googleapis.com" if location == "global" else f"{quote(location)}-aiplatform.googleapis.com"
    return f"https://{host}"


def collection_url(kind: str, project: str, location: str, endpoint: str | None = None) -> str:
    """A project's jobs of a kind in one location. `endpoint` replaces the region's public address."""
    base = endpoint.rstrip("/") if endpoint is not None else address(location)
    return f"{base}/v1/projects/{quote(project)}/locations/{quote(location)}/{kind}"


def fitting_labels(labels: Mapping[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        if not re.fullmatch(_LABEL, key) or not re.fullmatch(_LABEL_VALUE, value):
            raise Refused(
                f"label {key!r} does not fit: keys are [a-z][a-z0-9_-]{{0,62}}, values [a-z0-9_-]{{0,63}}; "
                "correct the labels in retrigger.yaml",
                code="invalid_label",
            )
    return dict(labels)


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
