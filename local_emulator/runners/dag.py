"""A pipeline's graph: which task may start, what goes in, what a sub-graph gives back.

Source: messages DagSpec, PipelineTaskSpec and TaskInputsSpec of `pipeline_spec.proto`. Every task is a coroutine that
waits for the tasks it depends on; cancelling the outermost one cancels them all.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.runners.conditions import holds, select
from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.graphs import in_order, settled
from retrigger.local_emulator.runners.placeholders import fill
from retrigger.local_emulator.runners.record import Finished, Record, TaskRecord, TaskState
from retrigger.local_emulator.runners.tasks import ContainerTask, Job
from retrigger.local_emulator.runners.values import Artifact, Values, as_text, require, with_defaults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NOT_TRIGGERED = Finished(TaskState.NOT_TRIGGERED)


@dataclass(slots=True)
class Graph:
    """Runs the graphs of one job. `failed` is set by the first task that fails, for the fail-fast policy."""

    job: Job
    record: Record
    failed: bool = False

    async def run(self) -> Finished:
        """Run the root graph. Errors: PipelineError if the pipeline itself is wrong."""
        request = self.job.request
        artifacts = {name: (Artifact.from_json(shown),) for name, shown in request.artifacts.items()}
        return await self.run_dag(request.spec["root"], _Scope(self, Values(request.parameters, artifacts)))

    async def run_dag(self, component: Mapping[str, Any], scope: _Scope) -> Finished:
        dag = component["dag"]
        running: dict[str, asyncio.Task[None]] = {}
        order = in_order({name: task.get("dependentTasks", ()) for name, task in dag["tasks"].items()})
        async with asyncio.TaskGroup() as group:
            for name in order:
                task = dag["tasks"][name]
                upstream = [running[producer] for producer in task.get("dependentTasks", ())]
                record = self.record.add(name, scope.parent)
                running[name] = group.create_task(scope.run_task(record, task, upstream))
        failed = {name: done.error for name, done in scope.finished.items() if done.state is TaskState.FAILED}
        if failed:
            return Finished(TaskState.FAILED, error="; ".join(f"{name}: {error}" for name, error in failed.items()))
        return Finished(TaskState.SUCCEEDED, scope.outputs(dag.get("outputs", {})))


@dataclass(slots=True)
class _Scope:
    """One run of one graph: its inputs, the task it is the inside of, and how its own tasks ended."""

    graph: Graph
    inputs: Values
    parent: TaskRecord | None = None
    outer: _Scope | None = None
    finished: dict[str, Finished] = field(default_factory=dict)

    async def run_task(
        self, record: TaskRecord, task: Mapping[str, Any], upstream: Sequence[asyncio.Task[None]]
    ) -> None:
        finished = await settled(record, self._when_ready(record, task, upstream))
        self.graph.failed |= finished.state is TaskState.FAILED
        self.finished[record.name] = finished

    async def _when_ready(
        self, record: TaskRecord, task: Mapping[str, Any], upstream: Sequence[asyncio.Task[None]]
    ) -> Finished:
        if upstream:
            await asyncio.wait(upstream)
        return await self._triggered(record, task)

    async def _triggered(self, record: TaskRecord, task: Mapping[str, Any]) -> Finished:
        policy = task.get("triggerPolicy", {})
        if policy.get("strategy") != "ALL_UPSTREAM_TASKS_COMPLETED":
            if not all(self.finished[producer].state.succeeded for producer in task.get("dependentTasks", ())):
                return _NOT_TRIGGERED
            if self.graph.failed and self.graph.job.request.fail_fast:
                return _NOT_TRIGGERED
        inputs = self._task_inputs(record, task.get("inputs", {}))
        if "condition" in policy and not holds(policy["condition"], inputs.parameters):
            return _NOT_TRIGGERED
        component = self.graph.job.request.spec["components"][task["componentRef"]["name"]]
        if "parameterIterator" in task or "artifactIterator" in task:
            return await self._loop(record, task, component, inputs)
        return await self._component(record, task, component, inputs)

    async def _loop(
        self, record: TaskRecord, task: Mapping[str, Any], component: Mapping[str, Any], inputs: Values
    ) -> Finished:
        record.running(inputs)
        rounds = _iterations(task, inputs)
        limit = int(task.get("iteratorPolicy", {}).get("parallelismLimit") or len(rounds) or 1)
        slots = asyncio.Semaphore(limit)
        done: list[Finished] = [_NOT_TRIGGERED] * len(rounds)

        async def iterate(index: int, values: Values) -> None:
            own = self.graph.record.add(f"{record.name}[{index}]", record)
            async with slots:
                done[index] = await settled(own, self._component(own, task, component, values))

        async with asyncio.TaskGroup() as group:
            for index, values in enumerate(rounds):
                group.create_task(iterate(index, values))
        errors = [f"[{index}]: {item.error}" for index, item in enumerate(done) if item.state is TaskState.FAILED]
        if errors:
            return Finished(TaskState.FAILED, error="; ".join(errors[:3]))
        return Finished(TaskState.SUCCEEDED, _collected(component, done))

    async def _component(
        self, record: TaskRecord, task: Mapping[str, Any], component: Mapping[str, Any], inputs: Values
    ) -> Finished:
        job = self.graph.job
        inputs = with_defaults(component, inputs)
        if "dag" in component:
            record.running(inputs)
            return await self.graph.run_dag(component, _Scope(self.graph, inputs, record, self))
        require(component, inputs)
        executor = job.request.spec["deploymentSpec"]["executors"][component["executorLabel"]]
        match executor:
            case {"importer": importer}:
                record.running(inputs)
                return self._import(record, importer, component, inputs)
            case {"container": container}:
                caching = bool(task.get("cachingOptions", {}).get("enableCache"))
                retry = task.get("retryPolicy", {})
                return await ContainerTask(job, record, component, container, inputs, caching, retry).run()
            case _:
                raise PipelineError(f"executor {component['executorLabel']!r} is neither a container nor an importer")

    def _import(
        self, record: TaskRecord, importer: Mapping[str, Any], component: Mapping[str, Any], inputs: Values
    ) -> Finished:
        place = importer["artifactUri"]
        uri = place["constant"] if "constant" in place else inputs.parameters[place["runtimeParameter"]]
        metadata = self._filled(importer.get("metadata", {}), inputs.parameters, record.name)
        definitions = component["outputDefinitions"]["artifacts"]
        made = {name: (Artifact("", name, uri, item["artifactType"], metadata),) for name, item in definitions.items()}
        return Finished(TaskState.SUCCEEDED, Values({}, made))

    def _task_inputs(self, record: TaskRecord, wanted: Mapping[str, Any]) -> Values:
        """Resolve a task's inputs; what an absent optional one, or a task that gave nothing, would give is left out."""
        parameters: dict[str, Any] = {}
        constants: dict[str, Any] = {}
        for name, source in wanted.get("parameters", {}).items():
            match source:
                case {"runtimeValue": value}:
                    constants[name] = value.get("constant")
                case {"taskOutputParameter": {"producerTask": producer, "outputParameterKey": key}}:
                    parameters[name] = self.finished[producer].outputs.parameters.get(key)
                case {"componentInputParameter": key}:
                    parameters[name] = select(self._given(key), source.get("parameterExpressionSelector", ""))
                case {"taskFinalStatus": {"producerTask": producer}}:
                    parameters[name] = self._final_status(producer)
                case _:
                    raise PipelineError(f"input {name!r} of task {record.name!r} comes from nowhere: {list(source)}")
        parameters = {name: value for name, value in parameters.items() if value is not None}
        parameters |= {name: self._filled(value, parameters, record.name) for name, value in constants.items()}
        artifacts = {}
        for name, source in wanted.get("artifacts", {}).items():
            match source:
                case {"taskOutputArtifact": {"producerTask": producer, "outputArtifactKey": key}}:
                    found = self.finished[producer].outputs.artifacts.get(key)
                case _:
                    found = self.inputs.artifacts.get(source["componentInputArtifact"])
            if found is not None:
                artifacts[name] = found
        return Values(parameters, artifacts)

    def _given(self, key: str) -> Any:
        """Look a graph's own parameter up, then in the graphs around it.

        The compiler (kfp 2.17) declares the item of an outer loop in the innermost graph only.
        """
        scope: _Scope | None = self
        while scope is not None:
            if key in scope.inputs.parameters:
                return scope.inputs.parameters[key]
            scope = scope.outer
        return None

    def _filled(self, value: Any, parameters: Mapping[str, Any], task: str) -> Any:
        """Fill the placeholders of a constant. Only the compiler writes those: a caller's value is never filled."""
        match value:
            case str():
                executor_input = {"inputs": {"parameterValues": parameters}}
                return fill(value, executor_input, self.graph.job.constants(task)) if "{{$" in value else value
            case dict():
                return {key: self._filled(item, parameters, task) for key, item in value.items()}
            case list():
                return [self._filled(item, parameters, task) for item in value]
            case _:
                return value

    def _final_status(self, producer: str) -> dict[str, Any]:
        """Source: message PipelineTaskFinalStatus."""
        done = self.finished[producer]
        return {
            "state": done.state,
            "error": {"code": 9, "message": done.error} if done.error else {},
            "pipelineJobResourceName": self.graph.job.request.name,
            "pipelineTaskName": producer,
        }

    def outputs(self, wanted: Mapping[str, Any]) -> Values:
        """Return what this graph gives: of alternatives the first that exists; of branches not taken, nothing."""
        parameters, artifacts = {}, {}
        for name, source in wanted.get("parameters", {}).items():
            alternatives = source.get("valueFromOneof", {}).get("parameterSelectors") or [source["valueFromParameter"]]
            for choice in alternatives:
                given = self.finished[choice["producerSubtask"]].outputs.parameters
                if choice["outputParameterKey"] in given:
                    parameters[name] = given[choice["outputParameterKey"]]
                    break
        for name, source in wanted.get("artifacts", {}).items():
            for choice in source["artifactSelectors"]:
                found = self.finished[choice["producerSubtask"]].outputs.artifacts.get(choice["outputArtifactKey"])
                if found is not None:
                    artifacts[name] = found
                    break
        return Values(parameters, artifacts)


def _iterations(task: Mapping[str, Any], inputs: Values) -> list[Values]:
    """Return the inputs of each round of a loop."""
    if "artifactIterator" in task:
        iterator = task["artifactIterator"]
        artifacts = inputs.artifacts[iterator["items"]["inputArtifact"]]
        return [Values(inputs.parameters, {**inputs.artifacts, iterator["itemInput"]: (one,)}) for one in artifacts]
    iterator = task["parameterIterator"]
    source = iterator["items"]
    items = source["raw"] if "raw" in source else inputs.parameters.get(source["inputParameter"])
    items = json.loads(items) if isinstance(items, str) else items
    if not isinstance(items, list):
        raise PipelineError(f"a loop needs a list, not {as_text(items)[:80]}")
    return [Values({**inputs.parameters, iterator["itemInput"]: item}, inputs.artifacts) for item in items]


def _collected(component: Mapping[str, Any], done: Sequence[Finished]) -> Values:
    """Gather the rounds' outputs: parameters as lists in the rounds' order, artifacts as one flat list."""
    definitions = component.get("outputDefinitions", {})
    parameters = {
        name: [item.outputs.parameters[name] for item in done if name in item.outputs.parameters]
        for name in definitions.get("parameters", {})
    }
    artifacts = {
        name: tuple(artifact for item in done for artifact in item.outputs.artifacts.get(name, ()))
        for name in definitions.get("artifacts", {})
    }
    return Values(parameters, artifacts)
