"""One command component of a pipeline job: its inputs, its process, what it gave."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrigger.local_emulator.runners import environments
from retrigger.local_emulator.runners.azureml import bindings, conda
from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.groups import last_line, run_in_group
from retrigger.local_emulator.runners.record import Finished, TaskRecord, TaskState
from retrigger.local_emulator.runners.values import Artifact, Values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.local_emulator.runners.azureml.blobs import Mount
    from retrigger.local_emulator.runners.azureml.pipelines import Command, PipelineRequest

_SHELL = shutil.which("bash") or "/bin/sh"


@dataclass(frozen=True, slots=True)
class Job:
    """What the steps of one job share. `slots` bound how many processes run at once."""

    request: PipelineRequest
    folder: Path
    mount: Mount
    slots: asyncio.Semaphore
    python: str = sys.executable

    def place(self, step: str, output: str) -> str:
        """Where an output lies by default, as Azure ML has it: below the name of its job."""
        return f"{self.request.store}/azureml/{self.request.job_id}/{f'{step}/' if step else ''}{output}"


@dataclass(frozen=True, slots=True)
class CommandStep:
    """A step that is ready to run. `outputs` say where each one goes; `timeout` is in seconds, None for no limit."""

    job: Job
    record: TaskRecord
    component: Command
    inputs: Values
    outputs: Mapping[str, Artifact]
    timeout: int | None

    async def run(self) -> Finished:
        """Errors: PipelineError."""
        folder = self.job.folder / "tasks" / self.record.key
        log = folder / "log.txt"
        try:
            names = await asyncio.to_thread(self._prepare, folder)
            status = await self._command(names, folder, log)
            if status != 0:
                return Finished(TaskState.FAILED, error=f"exit status {status}: {last_line(log)}")
            await asyncio.to_thread(self._publish, folder / "work")
        except OSError as error:
            raise PipelineError(f"the step could not be run: {error}") from error
        return Finished(TaskState.SUCCEEDED, Values({}, {name: (item,) for name, item in self.outputs.items()}))

    def _prepare(self, folder: Path) -> dict[str, str]:
        """Bring code and data here; return what `inputs.x` and `outputs.y` stand for."""
        for part in ("work/outputs", "work/logs", "tmp"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        if self.component.code:
            self.job.mount.copy_code(self.component.code, folder / "work")
        if not self.component.conda:
            named = self.component.environment or "none"
            told = f"environment: {named}, without a conda file here: the emulator's own Python runs this\n"
            (folder / "log.txt").write_text(told, encoding="utf-8")
        names = {f"inputs.{name}": text for name, text in self.inputs.parameters.items()}
        for name, (item,) in self.inputs.artifacts.items():
            names[f"inputs.{name}"] = str(self.job.mount.fetch(item.uri))
        for name, item in self.outputs.items():
            path = self.job.mount.local(item.uri)
            (path.parent if self._is_file(name) else path).mkdir(parents=True, exist_ok=True)
            names[f"outputs.{name}"] = str(path)
        return names

    async def _command(self, names: Mapping[str, str], folder: Path, log: Path) -> int:
        command = bindings.fill(self.component.command, names)
        async with self.job.slots:
            self.record.running(self.inputs)
            python = await self._python(log)
            environment = self._environment(python, names, folder)
            try:
                async with asyncio.timeout(self.timeout):
                    return await run_in_group([_SHELL, "-c", command], env=environment, cwd=folder / "work", log=log)
            except TimeoutError as error:
                raise PipelineError(f"the command took longer than its limit, {self.timeout} s") from error

    async def _python(self, log: Path) -> str:
        """The interpreter that has what the component's environment asks for; the emulator's own if it says nothing."""
        if not self.component.conda:
            return self.job.python
        return await environments.ready(conda.requirements(self.component.conda), self.job.python, log)

    def _environment(self, python: str, names: Mapping[str, str], folder: Path) -> dict[str, str]:
        """The job's own variables, the component's, and those that Azure ML tells a step."""
        request = self.job.request
        _, subscription, _, group, _, _, _, workspace, *_ = request.name.lstrip("/").split("/")
        declared = {name: bindings.fill(text, names) for name, text in self.component.variables.items()}
        told = {f"AZURE_ML_{side[:-1].upper()}_{name}": value for side, _, name, value in map(_parted, names.items())}
        return {
            **os.environ,
            "AZUREML_RUN_ID": f"{request.job_id}-{self.record.key}",
            "AZUREML_ROOT_RUN_ID": request.job_id,
            "AZUREML_EXPERIMENT_NAME": request.experiment,
            "AZUREML_ARM_SUBSCRIPTION": subscription,
            "AZUREML_ARM_RESOURCEGROUP": group,
            "AZUREML_ARM_WORKSPACE_NAME": workspace,
            **told,
            **declared,
            "PATH": os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(folder / "tmp"),
        }

    def _publish(self, work: Path) -> None:
        """Upload the outputs, and what the command left in `./outputs`."""
        for name, item in self.outputs.items():
            if self._is_file(name) and not self.job.mount.local(item.uri).is_file():
                raise PipelineError(f"output {name!r} is a uri_file, and the command did not write it")
            self.job.mount.publish(item.uri)
        self.job.mount.upload(work / "outputs", self.job.place(self.record.path, "outputs"))

    def _is_file(self, output: str) -> bool:
        return self.component.outputs[output].type == bindings.FILE


def _parted(named: tuple[str, str]) -> tuple[str, str, str, str]:
    side, dot, name = named[0].partition(".")
    return side, dot, name, named[1]
