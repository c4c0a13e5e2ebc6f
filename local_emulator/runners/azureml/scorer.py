"""Lets a model predict, behind HTTP or over files: `python -P scorer.py PLAN serve`, or `… batch INPUT OUTPUT`.

It runs in the model's own environment, where nothing of the emulator's is installed: standard library only. PLAN is the
JSON file that `scoring` writes. What a request and an answer look like is Azure ML's:
https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models-online-endpoints, and for scripts
…/how-to-deploy-online-endpoints and …/how-to-batch-scoring-script.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import json
import os
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PORT = "RETRIGGER_SCORING_PORT"
MAX_BODY = 16 << 20
Plan = dict[str, Any]


class Unreadable(Exception):
    """What was asked cannot be read; the message says why."""


class MlflowModel:
    """A model of MLflow, as its loader module loads it."""

    def __init__(self, plan: Plan) -> None:
        loader = importlib.import_module(plan["loader"])
        self._model = loader._load_pyfunc(plan["data"])  # noqa: SLF001  # it is MLflow's name for it

    def score(self, body: str) -> Any:
        try:
            asked = json.loads(body)
            given = asked["input_data"]
        except (ValueError, KeyError, TypeError) as error:
            raise Unreadable("the request must be JSON with a top-level `input_data`") from error
        return self._predict(frame(given))

    def score_files(self, files: list[str]) -> list[str]:
        """A line for each row: its number, its prediction, its file."""
        lines = []
        for file in files:
            predictions = jsonable(self._predict(table(Path(file))))
            lines += [json.dumps([row, one, Path(file).name], default=jsonable) for row, one in enumerate(predictions)]
        return lines

    def _predict(self, data: Any) -> Any:
        return self._model.predict(data)


class Script:
    """A scoring script: its `init()` was called, its `run()` predicts."""

    def __init__(self, plan: Plan) -> None:
        path = Path(plan["script"])
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise Unreadable(f"the scoring script {path.name} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        module.init()
        self._run = module.run

    def score(self, body: str) -> Any:
        return self._run(body)

    def score_files(self, files: list[str]) -> list[str]:
        """What `run` returns for a mini-batch: a line for each element, or for each row of a data frame."""
        result = self._run(files)
        if hasattr(result, "to_csv"):
            return str(result.to_csv(sep=" ", header=False, index=False)).splitlines()
        return [str(one) for one in result]


def load(plan: Plan) -> MlflowModel | Script:
    sys.path[:0] = plan["paths"]
    return Script(plan) if plan["script"] else MlflowModel(plan)


def frame(given: Any) -> Any:
    """A table as a data frame where pandas is, else as a list of rows; anything else as it is."""
    split = isinstance(given, dict) and {"columns", "data"} <= given.keys()
    records = isinstance(given, list) and bool(given) and all(isinstance(row, dict) for row in given)
    if not (split or records):
        return given
    try:
        import pandas as pd
    except ImportError:
        return given["data"] if split else [list(row.values()) for row in given]
    return pd.DataFrame(given["data"], given.get("index"), given["columns"]) if split else pd.DataFrame(given)


def table(path: Path) -> Any:
    """A file of rows: CSV below a header; Parquet and JSON where pandas is."""
    try:
        import pandas as pd
    except ImportError:
        if path.suffix != ".csv":
            raise Unreadable(f"{path.name} is no CSV file, and other forms are read with pandas alone") from None
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return [[_number(word) for word in row] for row in csv.reader(lines)][1:]
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".json": pd.read_json}
    if path.suffix not in readers:
        raise Unreadable(f"{path.name} is of no form that is read here: CSV, Parquet or JSON")
    return readers[path.suffix](path)


def _number(word: str) -> float | str:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def jsonable(result: Any) -> Any:
    """Predictions as JSON has them: rows of a data frame are objects, arrays are lists."""
    if hasattr(result, "to_dict") and hasattr(result, "columns"):
        return result.to_dict(orient="records")
    return result.tolist() if hasattr(result, "tolist") else result


class Handler(BaseHTTPRequestHandler):
    """`POST /score`; a GET is told that the server is well. One request is scored at a time, as on Azure ML."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    model: MlflowModel | Script
    turn = threading.Lock()

    def do_GET(self) -> None:
        self._answer(200, "Healthy")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length") or ""
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self._answer(413, f"a request has a length, of at most {MAX_BODY} bytes")
            return
        try:
            body = self.rfile.read(int(length)).decode()
            with self.turn:
                answer = jsonable(self.model.score(body))
            self._answer(200, answer)
        except (Unreadable, UnicodeDecodeError) as error:
            self._answer(400, str(error))
        except Exception as error:  # noqa: BLE001  # whatever it raises: its traceback is for the log alone
            traceback.print_exc()
            self._answer(500, f"the model failed: {type(error).__name__}")

    def _answer(self, status: int, told: Any) -> None:
        body = json.dumps(told, default=jsonable).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form: str, *words: Any) -> None:
        sys.stderr.write(f"{form % words}\n")


class Server(ThreadingHTTPServer):
    request_queue_size = 128


def serve(plan: Plan) -> None:
    Handler.model = load(plan)
    Server(("127.0.0.1", int(os.environ[PORT])), Handler).serve_forever()


def batch(plan: Plan, source: Path, target: Path) -> int:
    """Score all files below `source`, so many at a time, into one file below `target`; return how many failed."""
    model = load(plan)
    found = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    files, size, failed = [str(path) for path in found], plan["mini_batch_size"], 0
    target.mkdir(parents=True, exist_ok=True)
    with (target / plan["output_file"]).open("w", encoding="utf-8") as sink:
        for at in range(0, len(files), size):
            some = files[at : at + size]
            try:
                lines = model.score_files(some)
            except Exception:  # noqa: BLE001  # it is the plan's to say how many files may fail
                traceback.print_exc()
                failed += len(some)
                if 0 <= plan["error_threshold"] < failed:
                    break
            else:
                sink.writelines(f"{line}\n" for line in lines)
    if not plan["append_row"]:
        (target / plan["output_file"]).unlink()
    if not files:
        raise Unreadable("the input holds no file")
    tolerated = plan["error_threshold"] < 0 or failed <= plan["error_threshold"]
    if failed == len(files) or not tolerated:
        raise Unreadable(f"{failed} of {len(files)} files could not be scored; the log says why")
    return failed


def main() -> int:
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if sys.argv[2] == "serve":
        serve(plan)
        return 0
    try:
        failed = batch(plan, Path(sys.argv[3]), Path(sys.argv[4]))
    except Unreadable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"scored; {failed} files could not be\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
