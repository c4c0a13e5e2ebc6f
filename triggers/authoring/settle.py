"""From the files' models to the spec: every default and unit settled, nothing looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from retrigger.triggers import spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.authoring import callers, environments, models
    from retrigger.triggers.event import Json


def trigger(file: models.TriggerFile, defaults: environments.Defaults, schemas: Mapping[str, Json]) -> spec.Trigger:
    """`schemas`: JSON Schemas by the path that names them; one that could not be read is left out."""
    admit = file.admit
    checks = file.checks
    return spec.Trigger(
        name=file.name,
        description=file.description,
        sources=tuple(_source(source, schemas) for source in file.source),
        filter=file.filter,
        object_check=_object_check(checks.object) if checks and checks.object else None,
        window_check=spec.WindowCheck(min_rows=checks.window.min_rows) if checks and checks.window else None,
        window=_window(admit.window) if admit.window else spec.WindowRule(),
        concurrency=_concurrency(admit.concurrency, defaults.concurrency),
        throttle=spec.Throttle(limit=admit.throttle.limit, per=admit.throttle.per) if admit.throttle else None,
        keep=(file.deduplicate or admit.deduplicate or defaults.deduplicate).keep,
        on_failure=spec.OnFailure(retry=file.on_failure.retry, then=file.on_failure.then),
        launch=spec.Launch(pipeline=cast("str", file.launch.pipeline), parameters=_parameters(file.launch.parameters)),
        mode=file.mode,
    )


def environment(name: str, file: environments.Gcp, templates: Mapping[str, str]) -> spec.Environment:
    """`templates`: SHA-256 of each pipeline's template, by the pipeline's name."""
    return spec.Environment(
        name=name,
        cloud=file.cloud,
        project=file.project,
        location=file.location,
        ledger=file.ledger,
        vars=_parameters(file.vars),
        stores={key: store(address) for key, address in file.stores.items()},
        channels=dict(file.channels),
        pipelines={
            key: spec.Pipeline(
                template=templates[key],
                root=pipeline.root,
                service_account=pipeline.service_account,
                caching=pipeline.caching,
                labels=dict(pipeline.labels),
            )
            for key, pipeline in file.pipelines.items()
        },
        limits=spec.Limits(submit_per_minute=file.limits.submit_per_minute, running=file.limits.running),
        callers=file.callers if file.callers == "platform" else tuple(_caller(one) for one in file.callers),
    )


def store(address: str) -> spec.Store:
    """`gs://bucket` or `gs://bucket/folder`, with or without a `/` at the end."""
    bucket, _, folder = address.removeprefix("gs://").partition("/")
    prefix = folder if not folder or folder.endswith("/") else f"{folder}/"
    return spec.Store(kind="gcs", bucket=bucket, prefix=prefix)


def _caller(entry: callers.Caller) -> spec.Caller:
    if entry.google:
        accounts = tuple(entry.google.service_accounts)
        return spec.GoogleCaller(audience=entry.google.audience, service_accounts=accounts)
    if entry.entra:
        it = entry.entra
        return spec.EntraCaller(tenant=it.tenant, audience=it.audience, apps=tuple(it.apps))
    assert entry.key, "callers.Caller holds exactly one"
    return spec.KeyCaller(setting=entry.key.setting)


def _source(entry: models.Source, schemas: Mapping[str, Json]) -> spec.Source:
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
            schema=schemas.get(entry.message.schema_file) if entry.message.schema_file else None,
            filter=entry.message.filter,
            key=entry.message.key,
            parameters=_parameters(entry.message.parameters),
        )
    assert entry.schedule, "models.Source holds exactly one"
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
        until=window.until.object if window.until else None,
        settle=window.settle,
        at_max_wait=window.at_max_wait or ("reject" if window.until else "launch"),
        bad_member=window.bad_member,
    )


def _concurrency(own: models.Concurrency | None, default: models.Concurrency) -> spec.Concurrency:
    told = own.model_fields_set if own else set()
    return spec.Concurrency(
        limit=own.limit if own and "limit" in told else default.limit,
        key=own.key if own and "key" in told else default.key,
    )


def _parameters(values: Mapping[str, object]) -> dict[str, Json]:
    return cast("dict[str, Json]", dict(values))
