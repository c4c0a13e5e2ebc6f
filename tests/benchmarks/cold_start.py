"""From the start of a process to its launch request on the wire: our functions, the SDKs', and a bare hello-world.

The platform is on loopback, behind TLS; the token is fetched from it too. On Google ours runs as its bundle says, under
gunicorn alone, and as a Cloud Run function does, under functions-framework; the SDK's function runs under both, too. On
Azure all run under Microsoft's worker library. Each has an environment of its own, with bytecode compiled.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.triggers.authoring.compile import compile_project, local_environment
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.event import Event, Message
from retrigger.triggers.formats.encoding import encode
from tests.benchmarks.environments import ROOT, Environment, environment, pin
from tests.benchmarks.loopback import Platform
from tests.benchmarks.measure import progress, rounds_of
from tests.benchmarks.report import Benchmark, Report, Target
from tests.benchmarks.starting import PATIENCE_S, Function, started
from tests.contract.azureml_sdk import certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from retrigger.triggers.formats.encoding import Form

_PROJECT: Final = ROOT / "examples" / "churn"
_OWN: Final = Path(__file__).with_name("functions")
_FILTER: Final = "event.attempt < 10"
# A ledger lies here: what a disk that others write to makes a commit wait, or a bucket in life, is no cold start.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # where it is missing, the usual place for temporary files is taken
_WORKER: Final = "azure-functions-runtime"
_PACKAGES: Final = {
    "hello_world": ["functions-framework"],
    "retrigger_vertex": [f"{ROOT}[gcp]"],
    "sdk_vertex": ["functions-framework", "google-cloud-aiplatform[pipelines]"],
    "hello_azure": ["azure-functions", _WORKER],
    "retrigger_azureml": [f"{ROOT}[azure]", _WORKER],
    "sdk_azureml": ["azure-functions", _WORKER, "azure-ai-ml", "azure-identity"],
}
"""What is installed for a variant. Those with a longer name have what the one has that they are a variant of."""
_LINES: Final = {
    "hello_world": "first response of a hello-world",
    "retrigger_vertex": "launch on Vertex AI, retrigger",
    "retrigger_vertex_cel": "the same, with a filter",
    "retrigger_vertex_framework": "the same, functions-framework",
    "sdk_vertex": "launch on Vertex AI, the SDK",
    "sdk_vertex_gunicorn": "the same, under gunicorn too",
    "hello_azure": "first response, worker library",
    "retrigger_azureml": "launch on Azure ML, retrigger",
    "sdk_azureml": "launch on Azure ML, the SDK",
}


@dataclass(frozen=True, slots=True)
class Start:
    """`wire_ms` to the launch request, or to a hello-world's first response; `peak_mb` at that moment."""

    wire_ms: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Bench:
    """`folder` takes what is compiled and the ledgers; `certificate` is what `platform` shows."""

    folder: Path
    platform: Platform
    certificate: Path
    environments: Mapping[str, Environment]

    def hello_world(self) -> Start:
        return _responding(Function("hello_world", self._framework("hello_world", _OWN / "hello.py")))

    def hello_azure(self) -> Start:
        command = self._worker("hello_azure", _OWN / "hello_azureml")
        return _responding(Function("hello_azure", command, path="/api/events/x"))

    def retrigger_vertex(self, filter_: str | None = None) -> Start:
        return self._vertex("retrigger_vertex", self._served("retrigger_vertex"), filter_)

    def retrigger_vertex_cel(self) -> Start:
        return self.retrigger_vertex(_FILTER)

    def retrigger_vertex_framework(self) -> Start:
        source = self.environments["retrigger_vertex"].packages / "retrigger" / "functions" / "gcp" / "main.py"
        return self._vertex("retrigger_vertex_framework", self._framework("retrigger_vertex", source), None)

    def _vertex(self, name: str, command: Callable[[int], Sequence[str]], filter_: str | None) -> Start:
        compiled = self._compiled("dev", {"vertex": self.platform.secure_url, "storage": self.platform.url}, filter_)
        channel = "projects/acme-dev/topics/retrain-requests"
        headers, body = _message(compiled.stem, channel, "pubsub-push")
        variables = {"RETRIGGER_COMPILED": str(compiled), **self._google()}
        return self._launching(Function(name, command, variables, "/", headers, body))

    def sdk_vertex(self) -> Start:
        return self._sdk("sdk_vertex", self._framework("sdk_vertex", _OWN / "sdk_vertex.py"))

    def sdk_vertex_gunicorn(self) -> Start:
        python, file = str(self.environments["sdk_vertex"].python), str(_OWN / "sdk_vertex_gunicorn.py")
        return self._sdk("sdk_vertex_gunicorn", lambda port: ["env", f"PORT={port}", python, file])

    def _sdk(self, name: str, command: Callable[[int], Sequence[str]]) -> Start:
        variables = {
            **self._google(),
            "GOOGLE_CLOUD_PROJECT": "acme-dev",
            "STORAGE_EMULATOR_HOST": self.platform.url,
            "VERTEX_ENDPOINT": self.platform.secure_url,
            "TEMPLATE": str(_PROJECT / "pipelines" / "churn.json"),
        }
        headers = {"content-type": "application/json"}
        return self._launching(Function(name, command, variables, "/", headers, _wanted("sdk", "gs://a/b.csv")))

    def retrigger_azureml(self) -> Start:
        compiled = self._compiled("prod", {"azureml": self.platform.secure_url}, None)
        channel = "sb://acme.servicebus.windows.net/retrain-requests"
        headers, body = _message(compiled.stem, channel, "service-bus")
        folder = self.environments["retrigger_azureml"].packages / "retrigger" / "functions" / "azure"
        variables = {"RETRIGGER_COMPILED": str(compiled), **self._azure()}
        path = f"/api/events/servicebus/{channel}"
        command = self._worker("retrigger_azureml", folder)
        return self._launching(Function("retrigger_azureml", command, variables, path, headers, body))

    def sdk_azureml(self) -> Start:
        variables = {
            **self._azure(),
            "AZUREML_DEV_URL_MFE": self.platform.secure_url,
            "SUBSCRIPTION": str(uuid.UUID(int=0)),
            "TEMPLATE": str(_PROJECT / "pipelines" / "churn-azureml.yaml"),
        }
        command = self._worker("sdk_azureml", _OWN / "sdk_azureml")
        body = _wanted("sdk", "https://acmeprod.blob.core.windows.net/landing/a/")
        return self._launching(Function("sdk_azureml", command, variables, "/api/events/x", {}, body))

    def _framework(self, variant: str, source: Path) -> Callable[[int], Sequence[str]]:
        served = ["-m", "functions_framework", "--source", str(source), "--target", "main", "--signature-type", "http"]
        python = str(self.environments[variant].python)
        return lambda port: [python, *served, "--host", "127.0.0.1", "--port", str(port)]

    def _served(self, variant: str) -> Callable[[int], Sequence[str]]:
        python, module = str(self.environments[variant].python), "retrigger.functions.gcp.serve"
        return lambda port: ["env", "HOST=127.0.0.1", f"PORT={port}", python, "-m", module]

    def _worker(self, variant: str, folder: Path) -> Callable[[int], Sequence[str]]:
        python, host = str(self.environments[variant].python), str(_OWN / "azure_host.py")
        return lambda port: [python, host, str(folder), str(port)]

    def _google(self) -> dict[str, str]:
        address = self.platform.address
        trusted = {"REQUESTS_CA_BUNDLE": str(self.certificate)}
        return {"GCE_METADATA_HOST": address, "GCE_METADATA_IP": address, **trusted}

    def _azure(self) -> dict[str, str]:
        identity = {"IDENTITY_ENDPOINT": f"{self.platform.url}/msi/token", "IDENTITY_HEADER": "secret"}
        return {**identity, "REQUESTS_CA_BUNDLE": str(self.certificate)}

    def _compiled(self, like: str, services: Mapping[str, str], filter_: str | None) -> Path:
        """For one start, with a ledger of its own, which exists before the function starts, as in life."""
        name = uuid.uuid4().hex
        ledger, compiled = self.folder / f"{name}.sqlite3", self.folder / f"{name}.json"
        project = load_project(_PROJECT)
        authored = tuple(replace(one, trigger=replace(one.trigger, filter=filter_)) for one in project.authored)
        project = replace(project, authored=authored)
        local = local_environment(project, like=like, ledger=f"sqlite:{ledger}", services=services)
        compiled.write_text(compile_project(project, local), encoding="utf-8")
        SqliteRecords(ledger)
        return compiled

    def _launching(self, function: Function) -> Start:
        with started(function) as it:
            peaks: list[float] = []
            self.platform.forget(lambda: peaks.append(it.peak_mb()))
            it.ask()
            launched = self.platform.launched_at(PATIENCE_S)
            return Start(1000 * (launched - it.began), peaks[0])


def run(sizes: Sequence[int], *, sdk: bool = True, offline: bool = False) -> Report:
    """`sizes`: rounds. `sdk` is false where only ours is to be looked at: the SDKs take seconds a round.

    Raises NotCached if `offline` and something of an environment is not on this machine.
    """
    (rounds,) = sizes
    environments = _environments([name for name in _PACKAGES if sdk or "sdk" not in name], offline=offline)
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as name:
        folder = Path(name)
        shown = certificate(folder)
        with Platform(shown) as platform:
            cases = _cases(Bench(folder, platform, shown, environments), sdk=sdk)
            progress("cold_start: one round that is not counted")
            rounds_of(cases, 1)
            progress(f"cold_start: {rounds} rounds")
            return _report(rounds_of(cases, rounds), rounds)


def _environments(names: Iterable[str], *, offline: bool) -> dict[str, Environment]:
    """retrigger is in those of Azure too, without what it needs: the host finds the worker library's protocol there."""
    progress("cold_start: an environment for each variant, in build/")
    pin()
    host = [str(ROOT)]
    return {
        name: environment(name, _PACKAGES[name], alone=host if "azure" in name else (), offline=offline)
        for name in names
    }


def _cases(bench: Bench, *, sdk: bool) -> dict[str, Callable[[], Start]]:
    cases: dict[str, Callable[[], Start]] = {
        "hello_world": bench.hello_world,
        "retrigger_vertex": bench.retrigger_vertex,
        "retrigger_vertex_cel": bench.retrigger_vertex_cel,
        "retrigger_vertex_framework": bench.retrigger_vertex_framework,
        "hello_azure": bench.hello_azure,
        "retrigger_azureml": bench.retrigger_azureml,
    }
    theirs: dict[str, Callable[[], Start]] = {
        "sdk_vertex": bench.sdk_vertex,
        "sdk_vertex_gunicorn": bench.sdk_vertex_gunicorn,
        "sdk_azureml": bench.sdk_azureml,
    }
    return {**cases, **theirs} if sdk else cases


def _responding(function: Function) -> Start:
    with started(function) as it:
        it.ask()
        return Start(1000 * (time.monotonic() - it.began), it.peak_mb())


def _message(name: str, channel: str, form: Form) -> tuple[Mapping[str, str], bytes]:
    now = datetime.now(UTC)
    payload = Message(channel=channel, id=name, body=_wanted(name, _DATA[form]), published=now)
    return encode(Event(id=name, source=f"//{channel}", type="message", time=now, subject=None, payload=payload), form)


_DATA: Final[Mapping[Form, str]] = {
    "pubsub-push": "gs://acme-dev-landing/a.csv",
    "service-bus": "https://acmeprod.blob.core.windows.net/landing/a/",
}


def _wanted(request: str, data: str) -> bytes:
    return f'{{"request_id": "{request}", "data": "{data}", "as_of": "2026-01-01"}}'.encode()


def _report(found: Mapping[str, Sequence[Start]], rounds: int) -> Report:
    wire = {name: min(it.wire_ms for it in starts) for name, starts in found.items()}
    peak = {name: max(it.peak_mb for it in starts) for name, starts in found.items()}
    median = {name: statistics.median(it.wire_ms for it in starts) for name, starts in found.items()}
    ratios = {
        "vertex_of_hello": wire["retrigger_vertex"] / wire["hello_world"],
        "vertex_cel_of_hello": wire["retrigger_vertex_cel"] / wire["hello_world"],
        "vertex_framework_of_hello": wire["retrigger_vertex_framework"] / wire["hello_world"],
        "azureml_of_hello": wire["retrigger_azureml"] / wire["hello_azure"],
    }
    targets = [
        Target("Vertex AI, in hello-worlds", ratios["vertex_of_hello"], 1.5),
        Target("the same with a filter", ratios["vertex_cel_of_hello"], 1.5),
        Target("the same under functions-framework", ratios["vertex_framework_of_hello"], 1.5),
    ]
    if "sdk_vertex" in wire:
        ratios |= _against_the_sdks(wire, peak)
        targets += [
            Target("Vertex AI, times sooner than the SDK", ratios["sdk_of_vertex"], 10, at_least=True),
            Target("the same, the SDK under gunicorn too", ratios["sdk_gunicorn_of_vertex"], 10, at_least=True),
            Target("Azure ML, times sooner than the SDK", ratios["sdk_of_azureml"], 5, at_least=True),
            Target("Vertex AI, part of the SDK's memory", ratios["memory_vertex"], 1 / 3),
            Target("Azure ML, part of the SDK's memory", ratios["memory_azureml"], 1 / 3),
        ]
    return Report(
        columns=("process start to", "ms", "median", "peak MB"),
        rows=[(_LINES[name], wire[name], median[name], peak[name]) for name in _LINES if name in wire],
        data={"rounds": rounds, "wire_ms": wire, "median_ms": median, "peak_mb": peak, "ratios": dict(ratios)},
        targets=targets,
        notes=[
            f"best of {rounds} rounds that take turns; ratios are of the best; TLS, token fetched; bytecode compiled",
            "our ledger is a SQLite file, in memory where there is /dev/shm: a store's latency is not told",
            "an environment for each; Google under gunicorn or functions-framework (hello-world, the SDK), Azure under",
            "Microsoft's worker library",
        ],
    )


def _against_the_sdks(wire: Mapping[str, float], peak: Mapping[str, float]) -> dict[str, float]:
    """`floor_…`: what a function that did nothing would reach under its cloud's own host. `…_above` leaves it out."""
    clouds = {"vertex_framework": "hello_world", "azureml": "hello_azure"}
    ratios = {
        "sdk_of_vertex": wire["sdk_vertex"] / wire["retrigger_vertex"],
        "sdk_gunicorn_of_vertex": wire["sdk_vertex_gunicorn"] / wire["retrigger_vertex"],
        "memory_vertex": peak["retrigger_vertex"] / peak["sdk_vertex"],
    }
    for cloud, floor in clouds.items():
        ours, theirs = f"retrigger_{cloud}", f"sdk_{cloud.removesuffix('_framework')}"
        ratios[f"sdk_of_{cloud}"] = wire[theirs] / wire[ours]
        ratios[f"floor_{cloud}"] = wire[theirs] / wire[floor]
        ratios[f"sdk_of_{cloud}_above"] = (wire[theirs] - wire[floor]) / (wire[ours] - wire[floor])
        ratios[f"memory_{cloud}"] = peak[ours] / peak[theirs]
    return ratios


COLD_START: Final = Benchmark(
    line="process start to the launch request on the wire", unit="rounds", sizes=(7,), smallest=(1,), run=run
)
