"""The metadata store of the local Vertex AI, as far as artifacts go: what is registered, and what pipelines take by id.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.metadataStores.artifacts
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, Final

from retrigger.local_emulator.planes.resources import Body, Invalid, NotFound
from retrigger.local_emulator.planes.rest import Call, page
from retrigger.local_emulator.runners.record import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retrigger.local_emulator.planes.resources import Resources

_ID: Final = re.compile(r"[a-z0-9-]{4,128}")
_STATES: Final[Mapping[Any, str]] = {0: "STATE_UNSPECIFIED", 1: "PENDING", 2: "LIVE"}


class Artifacts:
    """Of the store `default`, which every project has here from the beginning."""

    def __init__(self, resources: Resources, now: Callable[[], datetime]) -> None:
        self._resources = resources
        self._now = now

    def get_store(self, call: Call) -> Body:
        moment = timestamp(self._now())
        return {"name": _store(call), "createTime": moment, "updateTime": moment}

    def create(self, call: Call) -> Body:
        """`artifactId` makes a repeated create an ALREADY_EXISTS; without it every create is a new artifact."""
        artifact = call.query.get("artifactId") or str(secrets.randbits(62))
        if not _ID.fullmatch(artifact):
            raise Invalid(f"Invalid artifact_id {artifact[:150]!r}: 4 to 128 characters of [a-z0-9-].")
        for field in ("displayName", "uri", "schemaTitle", "schemaVersion"):
            if not isinstance(call.body.get(field, ""), str):
                raise Invalid(f"artifact.{field} must be a string.")
        if not isinstance(call.body.get("metadata", {}), dict):
            raise Invalid("artifact.metadata must be an object.")
        moment = timestamp(self._now())
        state = call.body.get("state", 0)
        told = _STATES.get(state, state) if isinstance(state, int | str) else state
        made = {**call.body, "state": told, "createTime": moment, "updateTime": moment}
        name = f"{_store(call)}/artifacts/{artifact}"
        return self._resources.create(name, {**made, "name": name}).body

    def get(self, call: Call) -> Body:
        return self._resources.get(f"{_store(call)}/artifacts/{call.path['artifact']}").body

    def list_all(self, call: Call) -> Body:
        bodies = [item.body for item in self._resources.all(f"{_store(call)}/artifacts")]
        found = page(call, bodies, "create_time desc")
        return {"artifacts": list(found.items), "nextPageToken": found.next_token}

    def inputs(self, parent: str, spec: Mapping[str, Any], given: Any) -> dict[str, Body]:
        """The artifacts that a run of a pipeline is given by id, by input, in the form in which a job reads them.

        `given` is `runtimeConfig.inputArtifacts`. Raises Invalid unless they are those that the pipeline takes.
        """
        if given is not None and not isinstance(given, dict):
            raise Invalid("runtime_config.input_artifacts must be an object.")
        declared = spec["root"].get("inputDefinitions", {}).get("artifacts", {})
        found = {}
        for name, told in (given or {}).items():
            if name not in declared:
                known = ", ".join(declared) or "none"
                raise Invalid(f"Artifact {name[:80]!r} is not in the pipeline's signature; it takes: {known}.")
            found[name] = self._input(parent, name, told)
        missing = [name for name in declared if name not in found and not declared[name].get("isOptional")]
        if missing:
            raise Invalid(f"Artifact {missing[0]!r} is required and was not given.")
        return found

    def _input(self, parent: str, name: str, told: Any) -> Body:
        artifact = told.get("artifactId") if isinstance(told, dict) else None
        if not isinstance(artifact, str) or "/" in artifact:
            raise Invalid(f"runtime_config.input_artifacts.{name} must hold an artifact_id, the last part of its name.")
        try:
            body = self._resources.get(f"{parent}/metadataStores/default/artifacts/{artifact}").body
        except NotFound as error:
            raise Invalid(f"Artifact {artifact[:150]!r}, given as {name!r}, is not in the metadata store.") from error
        kept = ("name", "displayName", "uri", "schemaTitle", "schemaVersion", "metadata")
        return {"displayName": name, "uri": ""} | {key: body[key] for key in kept if key in body}


def _store(call: Call) -> str:
    """Errors: NotFound for any other than the default one."""
    name = f"{call.parent}/metadataStores/{call.path['store']}"
    if call.path["store"] != "default":
        raise NotFound(f"{name} is not found.")
    return name
