"""Batch endpoints and their deployments: what is asked of one becomes a job, which predicts for real.

Source: https://learn.microsoft.com/rest/api/azureml/batch-endpoints; how one is asked:
https://learn.microsoft.com/azure/machine-learning/how-to-access-data-batch-endpoints-jobs.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from retrigger.local_emulator.planes.azureml import deployed
from retrigger.local_emulator.planes.azureml.arm import Answer, key, page
from retrigger.local_emulator.planes.azureml.endpoint_resources import checked_name, found, gone, kept, patched, view
from retrigger.local_emulator.planes.resources import AlreadyExists, Body, Invalid, NotFound
from retrigger.local_emulator.runners.azureml import scoring
from retrigger.local_emulator.runners.azureml.pipelines import Command, Declared, Given, Kept, Pipeline, Step
from retrigger.local_emulator.runners.azureml.scoring import Scoring

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retrigger.local_emulator.planes.azureml.arm import Call, Workspace
    from retrigger.local_emulator.planes.azureml.jobs import Jobs, Work
    from retrigger.local_emulator.planes.azureml.resolving import Resolver
    from retrigger.local_emulator.planes.resources import Resource, Resources

ENDPOINTS: Final = "batchEndpoints"
STEP: Final = "batchscoring"
_DEPLOYMENT = "azureml-model-deployment"
_REPEATED = "repeatability_request-id"
_INPUTS: Final[Mapping[str, str]] = {"urifolder": "uri_folder", "urifile": "uri_file"}
_DEFAULTS: Final = {"miniBatchSize": 10, "errorThreshold": -1, "outputFileName": "predictions.csv"}


class BatchEndpoints:
    def __init__(
        self,
        resources: Resources,
        jobs: Jobs,
        now: Callable[[], datetime],
        *,
        resolver: Callable[[Workspace], Resolver],
    ) -> None:
        self._resources = resources
        self._jobs = jobs
        self._now = now
        self._resolver = resolver

    def put(self, call: Call) -> Answer:
        name = checked_name("endpoint", call.path[1])
        before = found(self._resources, call.key)
        body = kept(call, name, self._now(), before)
        default = _default(body)
        if default and found(self._resources, key(call.workspace, *call.path, "deployments", default)) is None:
            raise Invalid(f"`defaults.deploymentName` is {default[:80]!r}, which the endpoint does not have.")
        return self._kept(call, body, before)

    def patch(self, call: Call) -> Answer:
        """Errors: Invalid for what may not be patched."""
        before = self._known(call)
        return self._kept(call, patched(call, before.body, self._now()), before)

    def put_deployment(self, call: Call) -> Answer:
        """Nothing runs until the endpoint is asked, so a deployment has succeeded at once."""
        self._endpoint(call)
        name = checked_name("deployment", call.path[3])
        wanted = _scoring_of(self._resolver(call.workspace), call.properties)
        before = found(self._resources, call.key)
        return self._kept(call, kept(call, name, self._now(), before, scoring=asdict(wanted)), before)

    def get(self, call: Call) -> Answer:
        return Answer(self._view(call, call.path, self._known(call).body))

    def list_all(self, call: Call) -> Answer:
        items = self._resources.all(call.key)
        return page(call, [self._view(call, (*call.path, item.body["name"]), item.body) for item in items])

    def delete(self, call: Call) -> Answer:
        """An endpoint goes with its deployments; the jobs stay."""
        if found(self._resources, call.key) is None:
            return gone()
        for deployment in self._resources.all(f"{call.key}/deployments"):
            self._resources.delete(deployment.name)
        self._resources.delete(call.key)
        return Answer(None)

    def invoke(self, call: Call) -> Answer:
        """Make a job. The same request again (by its id) is the same job; another one of its name is refused."""
        asked, repeated = call.properties, call.headers.get(_REPEATED, "")
        deployment = self._asked(call)
        name = str(asked.get("name") or _name(call, repeated))
        work, properties = self._job(call, name, deployment, asked)
        try:
            return Answer(self._jobs.add(call, name, properties, work, repeated=repeated), 201)
        except AlreadyExists as error:
            body, shown = self._jobs.find(call, name)
            if not repeated or body.get("repeated") != repeated:
                raise AlreadyExists(f"A run with id {name} already exists") from error
            return Answer(shown, 201)

    def _job(self, call: Call, name: str, deployment: Resource, asked: Body) -> tuple[Work, Body]:
        resolver = self._resolver(call.workspace)
        source = _source(resolver, asked.get("inputData"))
        outputs = resolver.kept(asked.get("outputData")) or {"score": Kept()}
        if len(outputs) != 1:
            raise Invalid("`outputData` has one output, a folder: that is where the predictions go.")
        (output,) = outputs
        pipeline = _pipeline(name, Scoring(**deployment.body["scoring"]), output)
        inside = asked.get("properties") or {}
        properties = {
            "jobType": "Pipeline",
            "displayName": asked.get("displayName") or name,
            "experimentName": inside.get("experimentName") or call.path[1],
            "tags": asked.get("tags") or {},
            "properties": {**inside, "azureml.endpoint": call.path[1], "azureml.deployment": deployment.body["name"]},
            "inputs": {"data": {"jobInputType": source.type, "uri": source.uri}},
            "outputs": {output: {"jobOutputType": "uri_folder", "uri": outputs[output].uri or None}},
            "settings": {},
            "jobs": {},
        }
        return (pipeline, {"data": source}, {output: replace(outputs[output], type="uri_folder")}), properties

    def _asked(self, call: Call) -> Resource:
        """The deployment that a request is for."""
        name = call.headers.get(_DEPLOYMENT) or _default(self._endpoint(call).body)
        if not name:
            raise Invalid(f"The endpoint {call.path[1]} has no default deployment: set one, or name one by a header.")
        deployment = found(self._resources, key(call.workspace, *call.path[:2], "deployments", name))
        if deployment is None:
            raise NotFound(f"The endpoint {call.path[1]} has no deployment {name[:80]!r}.")
        return deployment

    def _endpoint(self, call: Call) -> Resource:
        return self._known(replace(call, path=call.path[:2]))

    def _known(self, call: Call) -> Resource:
        resource = found(self._resources, call.key)
        if resource is None:
            raise NotFound(f"{'/'.join(call.path)[:200]} was not found in the workspace {call.workspace.name[:80]}.")
        return resource

    def _kept(self, call: Call, body: Body, before: Resource | None) -> Answer:
        if before is None:
            self._resources.create(call.key, body)
        else:
            self._resources.update(call.key, body, before.etag)
        return Answer(self._view(call, call.path, body), 201 if before is None else 200)

    def _view(self, call: Call, path: tuple[str, ...], body: Body) -> Body:
        given = {name: value for name, value in body["properties"].items() if value is not None}
        told: Body = {"provisioningState": "Succeeded", "properties": given.get("properties") or {}}
        if len(path) == 2:
            address = f"{call.origin}{call.workspace.id}/{'/'.join(path)}/jobs"
            told |= {"authMode": given.get("authMode") or "AADToken", "defaults": given.get("defaults") or {}}
            told["scoringUri"] = address
        else:
            told |= _DEFAULTS | given
        return view(call, path, {**body, "properties": given}, told)


def _default(body: Body) -> str:
    defaults = body["properties"].get("defaults") or {}
    return str((defaults.get("deploymentName") if isinstance(defaults, dict) else "") or "")


def _scoring_of(resolver: Resolver, properties: Body) -> Scoring:
    told = {**_DEFAULTS, **{name: value for name, value in properties.items() if value is not None}}
    if (
        not all(isinstance(told[name], int) for name in ("miniBatchSize", "errorThreshold"))
        or told["miniBatchSize"] < 1
    ):
        raise Invalid("`miniBatchSize` and `errorThreshold` are whole numbers, the first one above 0.")
    if (
        str(told["outputFileName"]) in {"", ".", ".."}
        or PurePath(str(told["outputFileName"])).name != told["outputFileName"]
    ):
        raise Invalid("`outputFileName` is the name of a file, without a folder.")
    return replace(
        deployed.scoring_of(resolver, properties),
        mini_batch_size=told["miniBatchSize"],
        error_threshold=told["errorThreshold"],
        output_file=told["outputFileName"],
        append_row=str(told.get("outputAction", "AppendRow")).lower() != "summaryonly",
    )


def _source(resolver: Resolver, told: Any) -> Given:
    """The one input. Errors: Invalid."""
    inputs = list(told.values()) if isinstance(told, dict) else []
    item = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], dict) else {}
    kind = _INPUTS.get(str(item.get("jobInputType", "")).lower())
    if kind is None or not isinstance(item.get("uri"), str):
        raise Invalid("`inputData` has one input, with a `uri` and the `jobInputType` UriFolder or UriFile.")
    return Given(uri=resolver.addresses.read(resolver.workspace, item["uri"]), type=kind)


def _pipeline(name: str, wanted: Scoring, output: str) -> Pipeline:
    """A pipeline of one step, which scores."""
    inputs = {"data": Given(value="${{parent.inputs.data}}")}
    if wanted.model:
        inputs["model"] = Given(uri=wanted.model, type="custom_model")
    model = '"${{inputs.model}}"' if wanted.model else '""'
    program = f"{shlex.quote(sys.executable)} -m {scoring.__name__} batch"
    component = Command(
        name=STEP,
        command=f'exec {program} {model} "${{{{inputs.data}}}}" "${{{{outputs.{output}}}}}"',
        inputs={one: Declared(type=given.type or "uri_folder") for one, given in inputs.items()},
        outputs={output: Declared(type="uri_folder")},
        code=wanted.code,
        environment="the model's own",
        variables={scoring.REQUEST: json.dumps(asdict(wanted))},
    )
    step = Step(component, inputs, {output: Kept(binding=f"parent.outputs.{output}")})
    return Pipeline(name, {STEP: step}, {"data": Declared(type="uri_folder")})


def _name(call: Call, repeated: str) -> str:
    """The name of a job to which nobody gave one."""
    seed = f"{call.key}/{repeated}" if repeated else secrets.token_hex(16)
    return f"batchjob-{hashlib.sha256(seed.encode()).hexdigest()[:32]}"
