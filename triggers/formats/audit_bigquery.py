"""What an audit log says of BigQuery's jobs and tables.

Two generations are logged: AuditData (`serviceData`, of completed jobs alone) and BigQueryAuditMetadata (`metadata`).
Source: https://cloud.google.com/bigquery/docs/reference/auditlogs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.event import Lifecycle
from retrigger.triggers.formats.loose import at, first, known, text_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrigger.triggers.event import Json

_LEGACY_CONFIGURATIONS = ("query", "load", "tableCopy")
_CONFIGURATIONS = ("queryConfig", "loadConfig", "tableCopyConfig")
_PARTS = {"project": "projectId", "dataset": "datasetId", "table": "tableId"}
_TABLE_EVENTS = {"tableCreation": "created", "tableDataChange": "changed"}


def lifecycle(entry: dict[str, Json], words: Mapping[str, Json]) -> Lifecycle | None:
    """A job's state, or a table's creation or change; None for an entry that tells of neither, or names none.

    `resource` is the job, which no other occurrence shares. A table that changed without one (streaming) is told by
    its own name, and by the time of the change as `version`.
    """
    payload = entry.get("protoPayload")
    legacy = at(payload, "serviceData", "jobCompletedEvent", "job")
    if isinstance(legacy, dict):
        return _legacy_job(legacy, words)
    metadata = at(payload, "metadata")
    for event in ("jobChange", "jobInsertion"):
        job = at(metadata, event, "job")
        if isinstance(job, dict):
            return _job(job, words)
    if at(payload, "status", "code"):
        return None
    for event, status in _TABLE_EVENTS.items():
        change = at(metadata, event)
        if isinstance(change, dict):
            return _table(change, status, text_at(entry, "timestamp"), words)
    return None


def _legacy_job(job: dict[str, Json], words: Mapping[str, Json]) -> Lifecycle | None:
    name, status = job.get("jobName"), job.get("jobStatus")
    project, job_id = text_at(name, "projectId"), text_at(name, "jobId")
    return _lifecycle(
        resource=f"projects/{project}/jobs/{job_id}" if project and job_id else "",
        configuration=_first(job.get("jobConfiguration"), _LEGACY_CONFIGURATIONS),
        status=_status(text_at(status, "state"), at(status, "error")),
        words=words,
    )


def _job(job: dict[str, Json], words: Mapping[str, Json]) -> Lifecycle | None:
    status = job.get("jobStatus")
    return _lifecycle(
        resource=text_at(job, "jobName"),
        configuration=_first(job.get("jobConfig"), _CONFIGURATIONS),
        status=_status(text_at(status, "jobState"), at(status, "errorResult")),
        words=words,
    )


def _table(change: dict[str, Json], status: str, timestamp: str, words: Mapping[str, Json]) -> Lifecycle | None:
    job = text_at(change, "jobName")
    name = first(text_at(at(change, "table"), "tableName"), str(words.get("resourceName", "")))
    version = None if job else timestamp or None
    configuration: Json = {"destinationTable": name}
    return _lifecycle(resource=job or name, configuration=configuration, status=status, words=words, version=version)


def _lifecycle(
    *, resource: str, configuration: Json, status: str | None, words: Mapping[str, Json], version: str | None = None
) -> Lifecycle | None:
    """`name` is the table as SQL writes it; a job that fills none goes by its own id."""
    resource = resource or str(words.get("resourceName", ""))
    if not resource:
        return None
    head, _, job = resource.partition("/jobs/")
    table = _parts(at(configuration, "destinationTable"))
    own = known({"jobId": job, "statementType": text_at(configuration, "statementType")})
    return Lifecycle(
        platform="bigquery",
        resource=resource,
        name=".".join(table.values()) or job or head,
        version=version,
        status=status,
        properties={**words, **table, **own},
    )


def _first(configurations: Json, kinds: Sequence[str]) -> Json:
    """A job has one configuration, under the name of its kind."""
    return next((found for kind in kinds if (found := at(configurations, kind)) is not None), None)


def _status(state: str, error: Json) -> str | None:
    """A job that is done has succeeded, unless an error lies there; else its state, in small letters."""
    if state == "DONE":
        return "failed" if error else "succeeded"
    return state.lower() or None


def _parts(table: Json) -> dict[str, str]:
    """Project, dataset and table, from a reference or from a resource's name; nothing if any of them is missing."""
    if isinstance(table, str):
        match table.split("/"):
            case ["projects", project, "datasets", dataset, "tables", name]:
                return {"project": project, "dataset": dataset, "table": name}
        return {}
    parts = {name: text_at(table, key) for name, key in _PARTS.items()}
    return parts if all(parts.values()) else {}
