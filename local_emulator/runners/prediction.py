"""The process of one batch prediction: `python -m retrigger.local_emulator.runners.prediction STATS`.

It runs as the one step of a job, in that step's folder and process group. The job's parameter `request` holds a
PredictionRequest as JSON. The model's own server is started as Vertex AI starts its container, asked for predictions of
all instances, and stopped; the results lie below the output folder then, and the file STATS counts them.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

from retrigger.local_emulator.runners.containers import predict_route, server_of
from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.gcs import Mount
from retrigger.local_emulator.runners.request import JobRequest
from retrigger.local_emulator.runners.server import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PREDICT_WITHIN_S = 600.0
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """`container` is the model's `containerSpec`; `format` that of the instances; `folder` the URI to write below."""

    model: str
    container: Mapping[str, Any]
    artifacts: str
    inputs: Sequence[str]
    format: str
    folder: str
    parameters: Any
    batch_size: int


def main() -> int:
    job = JobRequest.read(Path.cwd().parents[1])
    request = PredictionRequest(**json.loads(job.parameters["request"]))
    mount = Mount(Path(os.environ["RETRIGGER_GCS_MOUNT"]), os.environ.get("STORAGE_EMULATOR_HOST"))
    try:
        count = predict(request, mount)
    except (PipelineError, OSError, urllib3.exceptions.HTTPError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    Path(sys.argv[1]).write_text(json.dumps({"successfulCount": str(count)}), encoding="utf-8")
    return 0


def predict(request: PredictionRequest, mount: Mount) -> int:
    """-> how many instances were predicted. Errors: PipelineError at the first that was not."""
    paths = [path for uri in request.inputs for path in _fetched(uri, mount)]
    result = f"{request.folder}/prediction.results-00000-of-00001"
    written = mount.local(result)
    written.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with _served(request) as ask, written.open("w", encoding="utf-8") as sink:
        instances = (instance for path in paths for instance in _instances(path, request.format))
        while batch := list(islice(instances, request.batch_size)):
            for instance, prediction in zip(batch, ask(batch), strict=True):
                sink.write(json.dumps({"instance": instance, "prediction": prediction}) + "\n")
            count += len(batch)
    mount.publish(result)
    return count


def _fetched(uri: str, mount: Mount) -> Iterator[Path]:
    uris = mount.matching(uri) if "*" in uri else [uri]
    if not uris:
        raise PipelineError(f"the input {uri} matches no object")
    for one in uris:
        if not mount.fetch(one):
            raise PipelineError(f"the input {one} is not there")
        yield mount.local(one)


def _instances(path: Path, form: str) -> Iterator[Any]:
    """Lines of JSON; or rows below a header, in which what is not quoted is a number."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        try:
            match form:
                case "jsonl":
                    yield from (json.loads(line) for line in lines if line.strip())
                case "csv":
                    next(csv.reader(lines), None)
                    yield from csv.reader(lines, quoting=csv.QUOTE_NONNUMERIC)
                case _:
                    raise PipelineError(f"instances of the format {form} are not read here: give jsonl or csv")
        except ValueError as error:
            raise PipelineError(f"{path.name} is no {form}: {error}") from error


@contextmanager
def _served(request: PredictionRequest) -> Iterator[Any]:
    """Start the model's server; what is given asks it for the predictions of a list of instances."""
    spec = server_of(request.model, request.container, request.artifacts)
    log = Path.cwd() / "server.log"
    sys.stdout.write(f"what the model's server says goes to {log}\n")
    server = Server(spec, os.environ, log, free_port())
    try:
        server.wait_ready(threading.Event())
        url, http = server.url + predict_route(request.container), urllib3.PoolManager(retries=False)
        yield lambda batch: _asked(http, url, batch, request)
    finally:
        server.stop()


def _asked(http: urllib3.PoolManager, url: str, batch: Sequence[Any], request: PredictionRequest) -> list[Any]:
    asked = {"instances": list(batch)} | ({"parameters": request.parameters} if request.parameters else {})
    answer = http.request("POST", url, json=asked, timeout=_PREDICT_WITHIN_S)
    if answer.status != 200:
        raise PipelineError(f"model {request.model} answered {answer.status}: {answer.data[:_SHOWN]!r}")
    try:
        predictions = json.loads(answer.data)["predictions"]
    except (ValueError, KeyError, TypeError) as error:
        raise PipelineError(f"model {request.model} answered no `predictions`: {answer.data[:_SHOWN]!r}") from error
    if not isinstance(predictions, list) or len(predictions) != len(batch):
        raise PipelineError(f"model {request.model} did not give one prediction an instance, of {len(batch)}")
    return predictions


if __name__ == "__main__":
    sys.exit(main())
