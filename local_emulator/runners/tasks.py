"""One container task of a pipeline: its inputs, its process, its retries, what it gave."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HTTPError

from retrigger.local_emulator.runners import environments
from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.groups import last_line, run_in_group
from retrigger.local_emulator.runners.placeholders import fill, resolve_structures
from retrigger.local_emulator.runners.record import Finished, TaskRecord, TaskState
from retrigger.local_emulator.runners.values import Artifact, Values, convert, parameter_type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrigger.local_emulator.runners.cache import Cache
    from retrigger.local_emulator.runners.gcs import Mount
    from retrigger.local_emulator.runners.request import JobRequest

_COMPONENT_MAIN = Path(__file__).with_name("component_main.py")


@dataclass(frozen=True, slots=True)
class Job:
    """What the tasks of one job share. `slots` bound how many processes run at once; `start_time` is RFC 3339."""

    request: JobRequest
    folder: Path
    mount: Mount
    cache: Cache | None
    slots: asyncio.Semaphore
    start_time: str
    python: str = sys.executable

    def constants(self, task: str) -> dict[str, str]:
        """Return the placeholders that name the job and the task."""
        name = self.request.name
        return {
            "pipeline_job_name": self.request.job_id,
            "pipeline_job_resource_name": name,
            "pipeline_job_uuid": _number(name),
            "pipeline_job_create_time_utc": self.start_time,
            "pipeline_job_schedule_time_utc": self.start_time,
            "pipeline_root": self.request.root,
            "pipeline_task_name": task,
            "pipeline_task_uuid": _number(f"{name}/{task}"),
        }


def _number(text: str) -> str:
    """Return a stable positive int64 in decimal, as Vertex AI's generated ids are."""
    return str(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1)


@dataclass(frozen=True, slots=True)
class ContainerTask:
    """A container task that is ready to run: its component and executor are of the intermediate representation."""

    job: Job
    record: TaskRecord
    component: Mapping[str, Any]
    container: Mapping[str, Any]
    inputs: Values
    caching: bool
    retry: Mapping[str, Any]

    async def run(self) -> Finished:
        """Run it, from the cache where allowed, again where a retry policy says so. Errors: PipelineError."""
        try:
            await self._fetch()
            key = await asyncio.to_thread(self._cache_key)
            if key and self.job.cache and (cached := await asyncio.to_thread(self.job.cache.get, key)) is not None:
                self.record.inputs = self.inputs
                return Finished(TaskState.SKIPPED, cached)
            finished = await self._attempts()
            if finished.state.succeeded:
                await self._publish(finished.outputs)
                if key and self.job.cache:
                    await asyncio.to_thread(self.job.cache.put, key, finished.outputs)
        except (OSError, HTTPError) as error:
            raise PipelineError(f"the task could not be run: {error}") from error
        return finished

    async def _attempts(self) -> Finished:
        tries = 1 + int(self.retry.get("maxRetryCount", 0))
        pause = _seconds(self.retry.get("backoffDuration", "0s"))
        longest = _seconds(self.retry.get("backoffMaxDuration", "3600s"))
        while True:
            finished = await self._attempt()
            if finished.state.succeeded or self.record.attempts >= tries:
                return finished
            await asyncio.sleep(min(pause, longest))
            pause *= float(self.retry.get("backoffFactor", 2.0))

    async def _attempt(self) -> Finished:
        folder = self.job.folder / "tasks" / self.record.key
        shutil.rmtree(folder / "outputs", ignore_errors=True)
        for sub in ("outputs", "tmp"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        executor_input = self._executor_input(folder / "outputs")
        log = folder / "log.txt"
        async with self.job.slots:
            self.record.running(self.inputs)
            command, python = await self._command(executor_input, log)
            status = await run_in_group(command, env=self._environment(python, folder), cwd=folder, log=log)
        if status != 0:
            return Finished(TaskState.FAILED, error=f"exit status {status}: {last_line(log)}")
        try:
            return Finished(TaskState.SUCCEEDED, self._collect(executor_input))
        except PipelineError as error:
            return Finished(TaskState.FAILED, error=str(error))

    async def _command(self, executor_input: Mapping[str, Any], log: Path) -> tuple[list[str], str]:
        """Return the program to start and the Python that leads its PATH."""
        command, args = list(self.container.get("command", ())), list(self.container.get("args", ()))
        component = environments.lightweight(command, self.job.request.spec.get("sdkVersion", ""))
        if component is not None:
            python = await environments.ready(component.requirements, self.job.python, log)
            # `exec`: the component itself leads its process group, and gets the signals.
            runner = f"exec {shlex.quote(python)} -P {shlex.quote(str(_COMPONENT_MAIN))}"
            program = [word.replace("python3 -m kfp.dsl.executor_main", runner) for word in component.program]
            return program + self._filled(args, executor_input), python
        program = self._filled(command + args, executor_input)
        if not command or shutil.which(program[0]) is None:
            image, named = self.container.get("image", ""), repr(program[0]) if command else "of the image's own"
            raise PipelineError(
                f"image {image!r} cannot run here: there is no command {named} on this machine; install it, or write "
                "the step as a lightweight Python component"
            )
        return program, self.job.python

    def _filled(self, words: Sequence[str], executor_input: Mapping[str, Any]) -> list[str]:
        given = self.inputs.parameters.keys() | self.inputs.artifacts.keys()
        constants = self.job.constants(self.record.name)
        local = lambda uri: str(self.job.mount.local(uri))  # noqa: E731 (one expression, used on the next line only)
        return [fill(word, executor_input, constants, local) for word in resolve_structures(words, given)]

    def _environment(self, python: str, folder: Path) -> dict[str, str]:
        """Return the job's own variables, those the component declares, and what a task needs to stay in its place."""
        declared = {item["name"]: item.get("value", "") for item in self.container.get("env", ())}
        return {
            **os.environ,
            **declared,
            "PATH": os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONUNBUFFERED": "1",
            "RETRIGGER_GCS_MOUNT": f"{self.job.mount.root}/",
            "TMPDIR": str(folder / "tmp"),
        }

    def _executor_input(self, outputs: Path) -> dict[str, Any]:
        """Source: message ExecutorInput of `pipeline_spec.proto`."""
        definitions = self.component.get("outputDefinitions", {})
        place = f"{self.job.request.root.rstrip('/')}/{self.job.request.job_id}/{self.record.key}"
        made = {
            name: Artifact(self._artifact_name(name), name, f"{place}/{name}", definition["artifactType"])
            for name, definition in definitions.get("artifacts", {}).items()
        }
        parameters = {name: {"outputFile": str(outputs / name)} for name in definitions.get("parameters", {})}
        for artifact in made.values():
            path = self.job.mount.local(artifact.uri)
            shutil.rmtree(path, ignore_errors=True)  # of the attempt before
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
        return {
            "inputs": {
                "parameterValues": dict(self.inputs.parameters),
                "artifacts": {
                    name: {"artifacts": [artifact.as_runtime_artifact() for artifact in items]}
                    for name, items in self.inputs.artifacts.items()
                },
            },
            "outputs": {
                "parameters": parameters,
                "artifacts": {name: {"artifacts": [item.as_runtime_artifact()]} for name, item in made.items()},
                "outputFile": str(outputs / "executor_output.json"),
            },
        }

    def _artifact_name(self, output: str) -> str:
        parent = self.job.request.name.rsplit("/pipelineJobs/", 1)[0]
        number = _number(f"{self.job.request.name}/{self.record.path}/{output}")
        return f"{parent}/metadataStores/default/artifacts/{number}"

    def _collect(self, executor_input: Mapping[str, Any]) -> Values:
        """Read what the task gave: the executor's output file, else the files of single parameters."""
        definitions, expected = self.component.get("outputDefinitions", {}), executor_input["outputs"]
        written = Path(expected["outputFile"])
        given = json.loads(written.read_text(encoding="utf-8")) if written.exists() else {}
        parameters, artifacts = {}, {}
        for name, definition in definitions.get("parameters", {}).items():
            file, kind = Path(expected["parameters"][name]["outputFile"]), parameter_type(definition)
            if name in given.get("parameterValues", {}):
                parameters[name] = convert(given["parameterValues"][name], kind)
            elif file.exists():
                parameters[name] = _read_parameter(name, file, kind)
            elif not definition.get("isOptional"):
                raise PipelineError(f"output parameter {name!r} was not written")
        for name, definition in definitions.get("artifacts", {}).items():
            planned = expected["artifacts"][name]["artifacts"]
            made = given.get("artifacts", {}).get(name, {}).get("artifacts") or planned
            artifacts[name] = tuple(_artifact(name, {**planned[0], **item}, definition) for item in made)
        return Values(parameters, artifacts)

    def _cache_key(self) -> str:
        if not self.caching or self.job.cache is None:
            return ""
        return self.job.cache.key(self.container, self.inputs, self.component.get("outputDefinitions", {}))

    async def _fetch(self) -> None:
        for items in self.inputs.artifacts.values():
            for artifact in items:
                await asyncio.to_thread(self.job.mount.fetch, artifact.uri)

    async def _publish(self, outputs: Values) -> None:
        for items in outputs.artifacts.values():
            for artifact in items:
                await asyncio.to_thread(self.job.mount.publish, artifact.uri)


def _artifact(name: str, made: Mapping[str, Any], definition: Mapping[str, Any]) -> Artifact:
    return Artifact(made["name"], name, made["uri"], definition["artifactType"], made.get("metadata") or {})


def _read_parameter(name: str, file: Path, kind: str) -> Any:
    text = file.read_text(encoding="utf-8")
    if kind == "STRING":
        return text
    try:
        return convert(json.loads(text.lower() if kind == "BOOLEAN" else text), kind)
    except ValueError as error:
        raise PipelineError(f"output parameter {name!r} is not {kind}: {text[:80]!r}") from error


def _seconds(duration: str) -> float:
    """Read a protobuf Duration in JSON: "1.5s"."""
    return float(duration.removesuffix("s"))
