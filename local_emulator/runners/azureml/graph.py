"""The graph of a pipeline job: which step may start, what goes in, where outputs go.

Every step is a coroutine that waits for the steps whose outputs it needs; cancelling the outermost cancels them all.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from retrigger.local_emulator.runners.azureml.bindings import Bound, bind, data, producer, producers
from retrigger.local_emulator.runners.azureml.commands import CommandStep, Job
from retrigger.local_emulator.runners.azureml.pipelines import Command, Declared, Kept, OnlyInAzure, Pipeline
from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.graphs import in_order, settled
from retrigger.local_emulator.runners.record import Finished, Record, TaskRecord, TaskState
from retrigger.local_emulator.runners.values import Artifact, Values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.local_emulator.runners.azureml.pipelines import Step

_NOT_TRIGGERED = Finished(TaskState.NOT_TRIGGERED)


class _Halted(Exception):
    """A step failed in a pipeline that does not go on after that: it ends the pipeline's other steps."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Runs the graphs of one job."""

    job: Job
    record: Record

    async def run(self) -> Finished:
        """Run the outermost pipeline. Errors: PipelineError if the pipeline itself is wrong."""
        request = self.job.request
        inputs = bind(request.pipeline.inputs, request.inputs, _unbound)
        outputs = {
            name: _place(name, kept, Declared(type=kept.type or "uri_folder"), self.job.place("", name))
            for name, kept in request.outputs.items()
        }
        return await self.run_pipeline(request.pipeline, _Scope(self, inputs, outputs))

    async def run_pipeline(self, pipeline: Pipeline, scope: _Scope) -> Finished:
        running: dict[str, asyncio.Task[None]] = {}
        needs = {name: producers(step.inputs) for name, step in pipeline.steps.items()}
        order = in_order(needs)
        try:
            async with asyncio.TaskGroup() as group:
                for name in order:
                    upstream = {one: running[one] for one in needs[name]}
                    record = self.record.add(name, scope.parent)
                    work = scope.run_step(record, pipeline.steps[name], upstream, goes_on=pipeline.goes_on)
                    running[name] = group.create_task(work)
        except* _Halted:
            pass
        failed = {name: done.error for name, done in scope.finished.items() if done.state is TaskState.FAILED}
        if failed:
            return Finished(TaskState.FAILED, error="; ".join(f"{name}: {error}" for name, error in failed.items()))
        return Finished(TaskState.SUCCEEDED, Values({}, {name: (item,) for name, item in scope.outputs.items()}))


@dataclass(frozen=True, slots=True)
class _Scope:
    """One run of one pipeline: its inputs, where its outputs go, and how its steps ended."""

    graph: Graph
    inputs: Values
    outputs: Mapping[str, Artifact]
    parent: TaskRecord | None = None
    finished: dict[str, Finished] = field(default_factory=dict)

    async def run_step(
        self, record: TaskRecord, step: Step, upstream: Mapping[str, asyncio.Task[None]], *, goes_on: bool
    ) -> None:
        finished = await settled(record, self._when_ready(record, step, upstream))
        self.finished[record.name] = finished
        if finished.state is TaskState.FAILED and not goes_on:
            raise _Halted

    async def _when_ready(self, record: TaskRecord, step: Step, upstream: Mapping[str, asyncio.Task[None]]) -> Finished:
        if upstream:
            await asyncio.wait(upstream.values())
        if not all(self.finished[name].state.succeeded for name in upstream):
            return _NOT_TRIGGERED
        component, job = step.component, self.graph.job
        if isinstance(component, OnlyInAzure):
            raise PipelineError(
                f"{component.name or record.name!r} is of the kind {component.kind}, which runs only in Azure; to try "
                "the rest of the pipeline here, register a command component in its place"
            )
        inputs = bind(component.inputs, step.inputs, self._resolve)
        outputs = {
            name: self._output(name, step.outputs.get(name, Kept()), about, job.place(record.path, name))
            for name, about in component.outputs.items()
        }
        match component:
            case Command():
                return await CommandStep(job, record, component, inputs, outputs, step.timeout).run()
            case Pipeline():
                record.running(inputs)
                return await self.graph.run_pipeline(component, _Scope(self.graph, inputs, outputs, record))

    def _resolve(self, binding: str) -> Bound | None:
        """What a binding stands for. Errors: PipelineError for one that nobody defines."""
        if (made := producer(binding)) is not None:
            step, output = made
            found = self.finished[step].outputs.artifacts.get(output)
            if found is None:
                raise PipelineError(f"{binding}: the step {step!r} has no output {output!r}")
            return found[0]
        scope, _, name = binding.partition(".inputs.")
        if scope != "parent" or not name:
            raise PipelineError(f"{binding!r} is no binding that can be read here")
        if name in self.inputs.artifacts:
            return self.inputs.artifacts[name][0]
        value: str | None = self.inputs.parameters.get(name)
        return value

    def _output(self, name: str, kept: Kept, declared: Declared, default: str) -> Artifact:
        if not kept.binding:
            return _place(name, kept, declared, default)
        outer = kept.binding.removeprefix("parent.outputs.")
        if outer not in self.outputs:
            raise PipelineError(f"output {name!r} is bound to {kept.binding}, which the pipeline does not have")
        return replace(self.outputs[outer], schema={"schemaTitle": declared.type})


def _place(name: str, kept: Kept, declared: Declared, default: str) -> Artifact:
    asset = {"asset": kept.asset, "version": kept.version} if kept.asset else {}
    return replace(data(name, kept.uri or default, kept.type or declared.type), metadata=asset)


def _unbound(binding: str) -> Bound | None:
    raise PipelineError(f"an input of the pipeline itself is bound to {binding}")
