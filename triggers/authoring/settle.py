"""From the files' models to the spec: every default and unit settled, nothing looked up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from retrigger.triggers import launches, spec
from retrigger.triggers.authoring import environments
from retrigger.triggers.environment import (
    BatchRule,
    Caller,
    Channel,
    Endpoint,
    EntraCaller,
    Environment,
    GoogleCaller,
    KeyCaller,
    Limits,
    Model,
    Pipeline,
    Platform,
    Store,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.authoring import callers, launching, models, predicting, serving, sources
    from retrigger.triggers.authoring.files import Template
    from retrigger.triggers.event import Json


def trigger(
    file: models.TriggerFile,
    defaults: environments.Defaults,
    documents: Mapping[str, Json],
    validators: tuple[spec.PlugIn, ...],
) -> spec.Trigger:
    """`documents`: schemas and requests by the path that names them; one that could not be read is left out."""
    admit = file.admit
    checks = file.checks
    return spec.Trigger(
        name=file.name,
        description=file.description,
        sources=tuple(_source(source, documents) for source in file.source),
        filter=file.filter,
        object_check=_object_check(checks.object) if checks and checks.object else None,
        window_check=spec.WindowCheck(min_rows=checks.window.min_rows) if checks and checks.window else None,
        validators=validators,
        window=_window(admit.window) if admit.window else spec.WindowRule(),
        concurrency=_concurrency(admit.concurrency, defaults.concurrency),
        throttle=_throttle(admit.throttle) if admit.throttle else None,
        keep=(file.deduplicate or admit.deduplicate or defaults.deduplicate).keep,
        on_failure=spec.OnFailure(retry=file.on_failure.retry, then=file.on_failure.then),
        archive=file.archive or defaults.archive,
        redact=tuple(dict.fromkeys(file.redact)),
        launch=_launch(file.launch, documents),
        mode=file.mode,
    )


def environment(
    name: str,
    file: environments.Gcp | environments.Azure,
    defaults: environments.Defaults,
    *,
    templates: Mapping[str, Template | None],
    launcher: spec.PlugIn | None,
    formats: Mapping[str, spec.PlugIn],
) -> Environment:
    """`templates`: by the pipeline's name, None: it cannot be read; `formats`: the project's, by route."""
    shared = Environment(
        name=name,
        cloud=file.cloud,
        ledger=file.ledger,
        vars=_parameters(file.vars),
        stores={key: Store.at(address) for key, address in file.stores.items()},
        channels={key: _channel(one) for key, one in file.channels.items()},
        platforms={key: _platform(address) for key, address in file.platforms.items()},
        endpoints={key: _endpoint(one) for key, one in file.endpoints.items()},
        limits=Limits(submit_per_minute=file.limits.submit_per_minute, running=file.limits.running),
        callers=file.callers if file.callers == "platform" else tuple(_caller(one) for one in file.callers),
        archive=defaults.archive,
        launcher=launcher,
        formats=formats,
        outbox=file.outbox,
        services=file.services.model_dump(exclude_none=True),
    )
    if isinstance(file, environments.Gcp):
        pipelines = {key: _vertex_pipeline(one, templates[key], file) for key, one in file.pipelines.items()}
        models = {key: _vertex_model(one) for key, one in file.models.items()}
        return replace(shared, project=file.project, location=file.location, pipelines=pipelines, models=models)
    pipelines = {key: _azure_pipeline(one, templates[key]) for key, one in file.pipelines.items()}
    return replace(
        shared,
        workspace=file.workspace,
        pipelines=pipelines,
        models={key: Model(batch=_azure_batch(one.batch)) for key, one in file.models.items()},
    )


def _channel(one: str | environments.PubSubChannel | environments.ServiceBusChannel) -> Channel:
    if isinstance(one, str):
        return Channel(address=one)
    return Channel(address=one.topic, subscription=one.subscription)


def _platform(address: str) -> Platform:
    """Told by the address's form; `environments.PlatformAddress` has the three."""
    if address.startswith("/subscriptions/"):
        return Platform(kind="azureml", resource=address)
    return Platform(kind="vertex" if "/locations/" in address else "bigquery", resource=address)


def _endpoint(entry: str | serving.Serving) -> Endpoint:
    return Endpoint(name=entry) if isinstance(entry, str) else Endpoint(**entry.model_dump())


def _vertex_pipeline(file: environments.Pipeline, template: Template | None, home: environments.Gcp) -> Pipeline:
    return Pipeline(
        template=template.sha if template else "",
        template_uri=template.uri if template else None,
        root=file.root,
        labels=dict(file.labels),
        service_account=file.service_account or home.service_account,
        caching=file.caching,
        failure_policy=file.failure_policy,
        network=file.network,
        reserved_ip_ranges=tuple(file.reserved_ip_ranges),
        kms_key=file.kms_key,
    )


def _azure_pipeline(file: environments.AzurePipeline, template: Template | None) -> Pipeline:
    return Pipeline(
        template=template.sha if template else "",
        root=file.root or "",
        labels=dict(file.tags),
        caching=file.caching,
        compute=file.compute,
        experiment=file.experiment,
    )


def _vertex_model(file: predicting.VertexModel) -> Model:
    it = file.batch
    batch = BatchRule(
        labels=dict(it.labels),
        service_account=it.service_account,
        instances_format=it.instances_format,
        predictions_format=it.predictions_format,
        machine_type=it.machine_type,
        accelerator_type=it.accelerator_type,
        accelerator_count=it.accelerator_count,
        starting_replica_count=it.starting_replica_count,
        max_replica_count=it.max_replica_count,
        batch_size=it.batch_size,
        model_parameters=_parameters(it.model_parameters),
    )
    return Model(resource=file.resource, batch=batch)


def _azure_batch(file: predicting.AzureBatch) -> BatchRule:
    return BatchRule(
        labels=dict(file.tags), endpoint=file.endpoint, deployment=file.deployment, experiment=file.experiment
    )


def _caller(entry: callers.Caller) -> Caller:
    if entry.google:
        accounts = tuple(entry.google.service_accounts)
        return GoogleCaller(audience=entry.google.audience, service_accounts=accounts)
    if entry.entra:
        it = entry.entra
        return EntraCaller(tenant=it.tenant, audience=it.audience, apps=tuple(it.apps))
    assert entry.key, "callers.Caller holds exactly one"
    return KeyCaller(setting=entry.key.setting)


def _source(entry: sources.Source, documents: Mapping[str, Json]) -> spec.Source:
    if entry.object:
        return spec.ObjectSource(
            store=entry.object.store,
            match=entry.object.match,
            change=tuple(entry.object.change),
            filter=entry.object.filter,
            key=entry.object.key,
            parameters=_parameters(entry.object.parameters),
        )
    if entry.message:
        return spec.MessageSource(
            channel=entry.message.channel,
            schema=documents.get(entry.message.schema_file) if entry.message.schema_file else None,
            filter=entry.message.filter,
            key=entry.message.key,
            parameters=_parameters(entry.message.parameters),
            members=entry.message.members,
        )
    if entry.lifecycle:
        return spec.LifecycleSource(
            types=tuple(dict.fromkeys(entry.lifecycle.types)),
            platform=entry.lifecycle.platform,
            of=entry.lifecycle.of,
            statuses=tuple(dict.fromkeys(entry.lifecycle.status)) if entry.lifecycle.of else (),
            filter=entry.lifecycle.filter,
            key=entry.lifecycle.key,
            parameters=_parameters(entry.lifecycle.parameters),
        )
    assert entry.schedule, "sources.Source holds exactly one"
    return spec.ScheduleSource(
        cron=entry.schedule.cron,
        timezone=entry.schedule.timezone,
        missed=entry.schedule.missed,
        late_at_most=entry.schedule.late_at_most,
        filter=entry.schedule.filter,
        parameters=_parameters(entry.schedule.parameters),
    )


def _object_check(check: models.ObjectCheck) -> spec.ObjectCheck:
    return spec.ObjectCheck(
        format=check.format,
        columns={name: spec.Column(type=it.type, one_of=tuple(it.one_of)) for name, it in check.columns.items()},
        max_null_ratio=check.max_null_ratio,
        min_rows=check.min_rows,
        max_rows=check.max_rows,
        max_bytes=check.max_bytes,
    )


def _window(window: models.Window) -> spec.WindowRule:
    return spec.WindowRule(
        key=window.key,
        quiet=window.quiet,
        max_wait=window.max_wait,
        max_members=window.max_members,
        until=(window.until.object or window.until.manifest) if window.until else None,
        until_lists=window.until is not None and window.until.manifest is not None,
        until_count=window.until.count if window.until else None,
        settle=window.settle,
        at_max_wait=window.at_max_wait or ("reject" if window.until else "launch"),
        bad_member=window.bad_member,
        manifest=window.manifest.format,
    )


def _concurrency(own: models.Concurrency | None, default: models.Concurrency) -> spec.Concurrency:
    told = own.model_fields_set if own else set()
    return spec.Concurrency(
        limit=own.limit if own and "limit" in told else default.limit,
        key=own.key if own and "key" in told else default.key,
        when_busy=own.when_busy if own and "when_busy" in told else default.when_busy,
    )


def _throttle(throttle: models.Throttle) -> spec.Throttle:
    return spec.Throttle(limit=throttle.limit, per=throttle.per, when_over=throttle.when_over)


def _launch(file: launching.Launch, documents: Mapping[str, Json]) -> launches.Launch:
    if file.batch_prediction:
        it = file.batch_prediction
        return launches.BatchPrediction(endpoint=it.endpoint, model=it.model, input=it.input, output=it.output)
    if file.online_deployment:
        return _rollout(file.online_deployment, documents)
    assert file.pipeline, "launching.Launch holds exactly one"
    named = file.pipeline
    return launches.PipelineLaunch(
        pipeline=named if isinstance(named, str) else launches.Choice(by=named.by, among=dict(named.among)),
        parameters=_parameters(file.parameters),
        artifacts=_parameters(file.artifacts),
        register=file.register_as,
    )


def _rollout(it: launching.OnlineDeployment, documents: Mapping[str, Json]) -> launches.OnlineDeployment:
    return launches.OnlineDeployment(
        endpoint=it.endpoint,
        model=it.model.name,
        version=it.model.version,
        smoke=documents.get(it.smoke) if it.smoke else None,
        mirror=launches.Mirror(percent=it.mirror.percent, lasts=it.mirror.lasts) if it.mirror else None,
        steps=tuple(it.steps),
        bake=it.bake,
        rollback_if=launches.Rollback(error_rate=it.rollback_if.error_rate, p95=it.rollback_if.p95),
        approve=launches.Approval(before=it.approve.before, within=it.approve.within) if it.approve else None,
    )


def _parameters(values: Mapping[str, object]) -> dict[str, Json]:
    return cast("dict[str, Json]", dict(values))
