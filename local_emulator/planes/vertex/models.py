"""The model registry of the local Vertex AI: models, their versions and aliases, their evaluations.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models
"""

from __future__ import annotations

import re
import secrets
import threading
from typing import TYPE_CHECKING, TypeGuard

from retrigger.local_emulator.planes.resources import Body, Invalid, NotFound, Resources
from retrigger.local_emulator.planes.rest import Call, page
from retrigger.local_emulator.planes.vertex import operations
from retrigger.local_emulator.planes.vertex.operations import Operations
from retrigger.local_emulator.runners.record import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_ID = re.compile(r"[a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?")
_DEFAULT = "default"
_TEXT = re.compile(r"[^\0\ud800-\udfff]*")
_TIMEOUT = re.compile(r"[0-9]{1,4}(\.[0-9]{1,9})?s")
_ROUTE = re.compile(r"/[!-~]{0,1000}")


class Models:
    """Each version is one resource, `…/models/M@1`; the one with the alias `default` answers for `…/models/M`."""

    def __init__(self, resources: Resources, now: Callable[[], datetime]) -> None:
        self._resources = resources
        self._now = now
        self._operations = Operations(resources, now)
        self._uploading = threading.Lock()  # version numbers are given out one after the other

    def upload(self, call: Call) -> Body:
        """Register a model, or the next version of one that `modelId` or `parentModel` names."""
        model = call.body.get("model")
        if not isinstance(model, dict) or not model.get("displayName"):
            raise Invalid("model.display_name is required.")
        aliases = model.get("versionAliases", [])
        if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
            raise Invalid("model.version_aliases must be a list of strings.")
        if not _is_text(model.get("artifactUri", "")):
            raise Invalid("model.artifact_uri must be a string.")
        _check_container(model.get("containerSpec", {}))
        with self._uploading:
            model_id, versions = self._lineage(call)
            version = str(1 + max((int(item["versionId"]) for item in versions), default=0))
            if not versions:
                aliases = [*aliases, _DEFAULT]
            for older in versions:
                self._yield_aliases(older, aliases)
            made = self._version(call, model, model_id, version, sorted(set(aliases)))
            self._resources.create(f"{made['name']}@{version}", made)
        response = {"model": f"{made['name']}@{version}", "modelVersionId": version}
        return self._operations.done(call.parent, operations.UPLOAD_MODEL, response)

    def get(self, call: Call) -> Body:
        """Return one version: `M`, `M@2` or `M@champion`."""
        return self.find(call.parent, call.path["model"])

    def list_all(self, call: Call) -> Body:
        """Return the default version of each model."""
        bodies = [item.body for item in self._resources.all(f"{call.parent}/models")]
        found = page(call, [body for body in bodies if _DEFAULT in body["versionAliases"]], "create_time desc")
        return {"models": list(found.items), "nextPageToken": found.next_token}

    def list_versions(self, call: Call) -> Body:
        """Return every version of one model."""
        versions = self._versions(call.parent, call.path["model"].partition("@")[0])
        found = page(call, versions, "version_create_time desc")
        return {"models": list(found.items), "nextPageToken": found.next_token}

    def import_evaluation(self, call: Call) -> Body:
        """Attach metrics (any JSON object) to a version of a model."""
        evaluation = call.body.get("modelEvaluation")
        if not isinstance(evaluation, dict) or not isinstance(evaluation.get("metrics", {}), dict):
            raise Invalid("model_evaluation is required, and its metrics must be an object.")
        model = self.find(call.parent, call.path["model"])
        name = f"{model['name']}/evaluations/{secrets.randbits(62)}"
        made = {**evaluation, "name": name, "createTime": timestamp(self._now())}
        self._resources.create(name, {"version": model["versionId"], "evaluation": made})
        return made

    def get_evaluation(self, call: Call) -> Body:
        name = f"{self.find(call.parent, call.path['model'])['name']}/evaluations/{call.path['evaluation']}"
        evaluation: Body = self._resources.get(name).body["evaluation"]
        return evaluation

    def list_evaluations(self, call: Call) -> Body:
        """Return the evaluations of one version (`M` is the default one)."""
        model = self.find(call.parent, call.path["model"])
        bodies = [item.body for item in self._resources.all(f"{model['name']}/evaluations")]
        mine = [body["evaluation"] for body in bodies if body["version"] == model["versionId"]]
        found = page(call, mine, "create_time desc")
        return {"modelEvaluations": list(found.items), "nextPageToken": found.next_token}

    def _lineage(self, call: Call) -> tuple[str, list[Body]]:
        """Return the id of the model that an upload is of, and its versions so far."""
        if parent := call.body.get("parentModel"):
            model_id = str(parent).rsplit("/", 1)[-1].partition("@")[0]
            return model_id, self._versions(call.parent, model_id)
        model_id = str(call.body.get("modelId") or secrets.randbits(62))
        if not _ID.fullmatch(model_id):
            raise Invalid(f"Invalid model_id {model_id[:80]!r}: up to 63 of [a-z0-9_-], not ending in either sign.")
        try:
            return model_id, self._versions(call.parent, model_id)
        except NotFound:
            return model_id, []

    def _versions(self, parent: str, model_id: str) -> list[Body]:
        name = f"{parent}/models/{model_id}"
        bodies = [item.body for item in self._resources.all(f"{parent}/models")]
        versions = [body for body in bodies if body["name"] == name]
        if not versions:
            raise NotFound(f"{name} is not found.")
        return versions

    def find(self, parent: str, wanted: str) -> Body:
        """A version of a model: `M`, `M@2` or `M@champion`. Errors: NotFound."""
        model_id, _, version = wanted.partition("@")
        for body in self._versions(parent, model_id):
            if version == body["versionId"] or (version or _DEFAULT) in body["versionAliases"]:
                return body
        raise NotFound(f"{parent}/models/{wanted} is not found.")

    def _yield_aliases(self, older: Body, taken: list[str]) -> None:
        """Take the aliases that a newer version asked for: an alias names one version."""
        kept = [alias for alias in older["versionAliases"] if alias not in taken]
        if kept != older["versionAliases"]:
            stored = self._resources.get(f"{older['name']}@{older['versionId']}")
            self._resources.update(stored.name, {**stored.body, "versionAliases": kept}, stored.etag)

    def _version(self, call: Call, model: Body, model_id: str, version: str, aliases: list[str]) -> Body:
        moment = timestamp(self._now())
        return {
            **model,
            "name": f"{call.parent}/models/{model_id}",
            "versionId": version,
            "versionAliases": aliases,
            "createTime": moment,
            "updateTime": moment,
            "versionCreateTime": moment,
            "versionUpdateTime": moment,
            # Without this the SDK leaves the machine type out of a deployment.
            "supportedDeploymentResourcesTypes": ["DEDICATED_RESOURCES"],
        }


def _check_container(spec: object) -> None:
    """What a server is started with, perhaps long after the upload. Errors: Invalid."""
    if not isinstance(spec, dict):
        raise Invalid("model.container_spec must be an object.")
    for field in ("command", "args"):
        words = spec.get(field, [])
        if not isinstance(words, list) or not all(_is_text(word) for word in words):
            raise Invalid(f"model.container_spec.{field} must be a list of strings.")
    variables = spec.get("env", [])
    if not isinstance(variables, list) or not all(_is_variable(one) for one in variables):
        raise Invalid("model.container_spec.env must be a list of variables, each with a name and a value.")
    if not _TIMEOUT.fullmatch(str(spec.get("deploymentTimeout", "0s"))):
        raise Invalid("model.container_spec.deployment_timeout must be seconds, as in 600s.")
    for field, shown in (("healthRoute", "health_route"), ("predictRoute", "predict_route")):
        if not _ROUTE.fullmatch(str(spec.get(field) or "/")):
            raise Invalid(f"model.container_spec.{shown} must be a path that begins with /.")


def _is_variable(one: object) -> bool:
    if not isinstance(one, dict):
        return False
    name, value = one.get("name"), one.get("value", "")
    return _is_text(name) and _is_text(value) and bool(name) and "=" not in name


def _is_text(value: object) -> TypeGuard[str]:
    """Text that a process can be given."""
    return isinstance(value, str) and _TEXT.fullmatch(value) is not None
