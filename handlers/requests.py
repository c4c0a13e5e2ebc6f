"""What a run will ask of the platform, frozen before it is sent: every expression evaluated, every name resolved."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from retrigger.handlers.datasets import of_elsewhere
from retrigger.triggers import keys
from retrigger.triggers.environment import BatchRule, Endpoint, Model
from retrigger.triggers.errors import ExpressionError, Refused
from retrigger.triggers.expressions import load_expression
from retrigger.triggers.interpolation import render_value
from retrigger.triggers.launches import BatchPrediction, Choice, OnlineDeployment, PipelineLaunch, pipelines_of
from retrigger.triggers.signature import fit
from retrigger.triggers.templates import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.ports import Catalog
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.launches import Parameters
    from retrigger.triggers.spec import Trigger

_VERSION_DIGITS = 18


def frozen_job(
    catalog: Catalog,
    trigger: Trigger,
    run: str,
    *,
    event: str,
    source: Mapping[str, Json],
    scope: Mapping[str, object],
    dataset: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What this run will ask of the platform: names, values and hashes.

    `event`: the hash of the identity, or the window, that it answers. `source`: the parameters of the source that
    fired, over the launch's own. `dataset`: what is registered first (`datasets.frozen_dataset`). Raises Refused:
    `bad_parameters` when a value cannot be computed or does not fit the pipeline's signature (it never will), or
    `no_such_choice`.
    """
    full = {**scope, "vars": catalog.environment.vars}
    match trigger.launch:
        case PipelineLaunch() as launch:
            return _pipeline_job(catalog, trigger, launch, run, event=event, source=source, scope=full, dataset=dataset)
        case BatchPrediction() as launch:
            return _batch_job(catalog.environment, trigger, launch, run, event=event, scope=full)
        case OnlineDeployment() as launch:
            return _rollout_job(catalog.environment, trigger, launch, run, event=event, scope=full)


def same_job(job: Mapping[str, Any], run: str) -> dict[str, Any]:
    """A frozen request for another run of the same: nothing differs but what names the run."""
    again = {name: value for name, value in job.items() if name != "fingerprint"}
    again["labels"] = {**job["labels"], "retrigger-run": run}
    return again | {"fingerprint": keys.fingerprint(again)}


def resolved_again(catalog: Catalog, trigger: Trigger, run: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """The request of another environment for a run of this one: values stay, all else is what this one says.

    Raises Refused: `no_such_pipeline`, `bad_parameters`, or `not_supported_yet` for what is no pipeline.
    """
    environment, name = catalog.environment, job.get("pipeline")
    if job.get("kind", "pipeline") != "pipeline" or not isinstance(name, str):
        raise Refused("it is no run of a pipeline: it cannot be done elsewhere yet", code="not_supported_yet")
    if name not in pipelines_of(trigger.launch) or name not in environment.pipelines:
        told = f"{trigger.name} launches no pipeline `{name}` in {environment.name}"
        raise Refused(told, code="no_such_pipeline")
    event, given, artifacts = job["labels"]["retrigger-event"], job["parameters"], job["artifacts"]
    dataset = of_elsewhere(environment, job)
    return _resolved(catalog, trigger, name, run, event=event, given=given, artifacts=artifacts, dataset=dataset)


def chosen_pipeline(launch: PipelineLaunch, scope: Mapping[str, object]) -> str:
    """The name of the pipeline that is launched. Raises Refused `no_such_choice` for a value that has none."""
    if not isinstance(launch.pipeline, Choice):
        return launch.pipeline
    try:
        value = load_expression(launch.pipeline.by).evaluate(scope)
    except ExpressionError as error:
        raise Refused(f"the choice of a pipeline: {error}", code="bad_parameters") from error
    among = launch.pipeline.among
    if not isinstance(value, str) or value not in among:
        known = ", ".join(sorted(among))
        raise Refused(f"the value of {launch.pipeline.by} is none of {known}", code="no_such_choice")
    return among[value]


def _pipeline_job(
    catalog: Catalog,
    trigger: Trigger,
    launch: PipelineLaunch,
    run: str,
    *,
    event: str,
    source: Mapping[str, Json],
    scope: Mapping[str, object],
    dataset: Mapping[str, Any] | None,
) -> dict[str, Any]:
    name = chosen_pipeline(launch, scope)
    given = _rendered(f"the parameters of {name}", {**launch.parameters, **source}, scope)
    artifacts = _rendered(f"the artifacts of {name}", launch.artifacts, scope)
    if not all(isinstance(value, str) and value for value in artifacts.values()):
        raise Refused(f"the artifacts of {name}: an id is no text, or empty", code="bad_parameters")
    return _resolved(catalog, trigger, name, run, event=event, given=given, artifacts=artifacts, dataset=dataset)


def _resolved(
    catalog: Catalog,
    trigger: Trigger,
    name: str,
    run: str,
    *,
    event: str,
    given: Mapping[str, Json],
    artifacts: Mapping[str, Json],
    dataset: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The request for a pipeline of this environment, with these values."""
    environment = catalog.environment
    pipeline = environment.pipelines[name]
    try:
        parameters = fit(read(catalog.template(pipeline.template)), given)
    except ValueError as error:
        raise Refused(f"the parameters of {name}: {error}", code="bad_parameters") from error
    job: dict[str, Any] = {
        "kind": "pipeline",
        "display_name": trigger.name,
        "pipeline": name,
        "template": pipeline.template,
        "root": pipeline.root,
        "service_account": pipeline.service_account,
        "caching": pipeline.caching,
        "compute": pipeline.compute,
        "experiment": pipeline.experiment,
        "failure_policy": pipeline.failure_policy,
        "network": pipeline.network,
        "reserved_ip_ranges": list(pipeline.reserved_ip_ranges),
        "kms_key": pipeline.kms_key,
        "parameters": parameters,
        "artifacts": dict(artifacts),
        **({} if dataset is None else {"dataset": dict(dataset)}),
        **({} if pipeline.template_uri is None else {"template_uri": pipeline.template_uri}),
        "labels": {**pipeline.labels, **_labels(environment, trigger, run, event)},
    }
    return job | {"fingerprint": keys.fingerprint(job)}


def _batch_job(
    environment: Environment,
    trigger: Trigger,
    launch: BatchPrediction,
    run: str,
    *,
    event: str,
    scope: Mapping[str, object],
) -> dict[str, Any]:
    """By the model; on Azure ML that is the batch endpoint that it stands behind."""
    values = _rendered("what is predicted", launch.values, scope)
    known = environment.models.get(launch.model or "", Model())
    rule = {field.name: getattr(known.batch, field.name) for field in fields(BatchRule)}
    endpoint = known.batch.endpoint if launch.endpoint is None else environment.endpoints[launch.endpoint].name
    job: dict[str, Any] = {
        "kind": "batch",
        "display_name": trigger.name,
        **rule,
        "model": launch.model and (known.resource or launch.model),
        "endpoint": endpoint,
        "input": _uris(values["input"]),
        "output": _uri("output", values["output"]),
        "labels": {**known.batch.labels, **_labels(environment, trigger, run, event)},
    }
    return job | {"fingerprint": keys.fingerprint(job)}


def _rollout_job(
    environment: Environment,
    trigger: Trigger,
    launch: OnlineDeployment,
    run: str,
    *,
    event: str,
    scope: Mapping[str, object],
) -> dict[str, Any]:
    """Durations are in milliseconds: a frozen request is JSON."""
    endpoint = environment.endpoints[launch.endpoint]
    options = {field.name: getattr(endpoint, field.name) for field in fields(Endpoint)}
    p95, approve = launch.rollback_if.p95, launch.approve
    job: dict[str, Any] = {
        "kind": "rollout",
        "display_name": trigger.name,
        "endpoint": endpoint.name,
        "model": environment.models.get(launch.model, Model()).resource or launch.model,
        "version": _version(launch, scope),
        "steps": list(launch.steps),
        "bake_ms": _ms(launch.bake),
        "smoke": launch.smoke,
        "error_rate": launch.rollback_if.error_rate,
        "p95_ms": None if p95 is None else _ms(p95),
        "approve_before": None if approve is None else approve.before,
        "approve_within_ms": 0 if approve is None else _ms(approve.within),
        "health": options.pop("health"),
        "mirror_percent": 0 if launch.mirror is None else launch.mirror.percent,
        "mirror_ms": 0 if launch.mirror is None else _ms(launch.mirror.lasts),
        "options": {name: value for name, value in options.items() if name != "name" and value is not None},
        "labels": _labels(environment, trigger, run, event),
    }
    return job | {"fingerprint": keys.fingerprint(job)}


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _uris(value: Json) -> list[str]:
    """One URI, or a list of them."""
    given = value if isinstance(value, list) else [value]
    if not given:
        raise Refused("the input is an empty list: there is nothing to predict", code="bad_parameters")
    return [_uri("input", one) for one in given]


def _uri(name: str, value: Json) -> str:
    if not isinstance(value, str) or not value:
        raise Refused(f"the {name} is no URI: it must be text", code="bad_parameters")
    return value


def _rendered(what: str, values: Parameters, scope: Mapping[str, object]) -> dict[str, Json]:
    try:
        return {name: render_value(value, scope) for name, value in values.items()}
    except ExpressionError as error:
        raise Refused(f"{what}: {error}", code="bad_parameters") from error


def _version(launch: OnlineDeployment, scope: Mapping[str, object]) -> str:
    version = str(_rendered("what is launched", launch.values, scope)["version"])
    if not (version.isascii() and version.isdecimal() and len(version) <= _VERSION_DIGITS):
        raise Refused(f"the version of model {launch.model} is not made of digits", code="bad_parameters")
    return version


def _labels(environment: Environment, trigger: Trigger, run: str, event: str) -> dict[str, str]:
    return {
        "retrigger-environment": _label(environment.name),
        "retrigger-event": event,
        "retrigger-trigger": _label(trigger.name),
        "retrigger-run": run,
    }


def _label(text: str) -> str:
    """A name as a label value: `[a-z0-9_-]{0,63}`."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "-" for char in text.lower())[:63]
