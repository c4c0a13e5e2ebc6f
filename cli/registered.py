"""The versions of models that runs made, asked of the emulator while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from retrigger.cli.local import Remote, compiled_of
from retrigger.local_emulator.claim import running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from retrigger.handlers.journal import RunView
    from retrigger.local_emulator.state import State

_AZUREML: Final = "api-version=2023-08-01"


def models_of(state: State, runs: Iterable[RunView]) -> dict[str, list[str]]:
    """Job -> its models, `NAME@VERSION` on Vertex AI and `NAME:VERSION` on Azure ML, as each writes them.

    Of Vertex AI those that carry the job's id as an alias, of Azure ML those that name the job.
    """
    process, environment = running(state), compiled_of(state).environment
    found: dict[str, list[str]] = {run.job: [] for run in runs}
    if process is None or not found:
        return found
    emulator = Remote.at(process)
    match environment.cloud:
        case "gcp":
            told = _vertex(emulator, f"/v1/projects/{environment.project}/locations/{environment.location}/models")
        case "azure":
            told = _azureml(emulator, f"{environment.workspace}/models")
    for job, model in told:
        if job in found:
            found[job].append(model)
    return found


def _vertex(emulator: Remote, parent: str) -> Iterator[tuple[str, str]]:
    for model in emulator.call("GET", parent).get("models", []):
        for version in emulator.call("GET", f"/v1/{model['name']}:listVersions").get("models", []):
            for alias in version.get("versionAliases", []):
                yield alias, f"{version['displayName']}@{version['versionId']}"


def _azureml(emulator: Remote, parent: str) -> Iterator[tuple[str, str]]:
    for model in _pages(emulator, f"{parent}?{_AZUREML}"):
        for version in _pages(emulator, f"{parent}/{model['name']}/versions?{_AZUREML}"):
            job = version["properties"].get("jobName")
            if job is not None:
                yield job, f"{model['name']}:{version['name']}"


def _pages(emulator: Remote, path: str) -> Iterator[dict[str, Any]]:
    while path:
        answer = emulator.call("GET", path)
        yield from answer["value"]
        path = str(answer.get("nextLink") or "").removeprefix(emulator.url)
