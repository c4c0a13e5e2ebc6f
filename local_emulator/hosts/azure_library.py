"""Microsoft's own worker library (azure-functions-runtime), which loads an app's folder and runs its functions.

Under Azure the Functions host talks to it in gRPC. It also has a way in without (its `native_invocation`), whose
currency is the Datum: a value, and the name of its gRPC type. Its registries are module globals: one app a process.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from pathlib import Path

    from retrigger.triggers.event import Json


class CannotLoad(Exception):
    """The app has no functions to run; the message says why."""


@dataclass(frozen=True, slots=True)
class Function:
    """`trigger` is as function.json would have it; `retry` the pause before another try, None if it has no policy."""

    name: str
    id: str
    trigger: Mapping[str, Json]
    retry: timedelta | None

    @property
    def kind(self) -> str:
        return str(self.trigger["type"])


@dataclass(frozen=True, slots=True)
class Returned:
    """It came to an end. `value` is what it returned, as a Datum or None."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """It did not: `error` is the exception. Its traceback is in the log."""

    error: str


class _BindingInfo(SimpleNamespace):
    """The library compares bindings with these."""

    undefined = 0
    out = 1
    inout = 2


class _StatusResult(SimpleNamespace):
    """The library answers with these."""

    Failure = 0
    Success = 1


# The messages that the library makes, where a host would give it the classes that protoc made.
_MESSAGES = SimpleNamespace(
    BindingInfo=_BindingInfo,
    StatusResult=_StatusResult,
    FunctionMetadataResponse=SimpleNamespace,
    RpcException=SimpleNamespace,
    RpcFunctionMetadata=SimpleNamespace,
    RpcRetryOptions=SimpleNamespace,
    WorkerInitResponse=SimpleNamespace,
    WorkerMetadata=SimpleNamespace,
)


async def load(folder: Path) -> list[Function]:
    """Import `function_app.py` of the folder, which must be on the module path. Errors: CannotLoad."""
    try:
        import azure_functions_runtime as library
    except ModuleNotFoundError as error:
        step = "pip install --no-deps --ignore-requires-python azure-functions-runtime"
        message = f"Microsoft's worker library lacks {error.name}; install it ({step}) beside azure-functions"
        raise CannotLoad(message) from error
    asked = SimpleNamespace(capabilities={}, function_app_directory=str(folder))
    request = SimpleNamespace(
        request=SimpleNamespace(worker_init_request=asked), properties={"host": None, "protos": _MESSAGES}
    )
    result = (await library.worker_init_request(request)).result
    if result.status != _StatusResult.Success:
        raise CannotLoad(f"{folder / 'function_app.py'}: {result.exception.message}\n{result.exception.stack_trace}")
    library.start_threadpool_executor()
    found = (await library.functions_metadata_request(None)).function_metadata_results
    if not found:
        raise CannotLoad(f"{folder} has no function_app.py with functions in it")
    return [_function(each) for each in found]


async def invoke(function: Function, value: Any, metadata: Mapping[str, Any]) -> Returned | Raised:
    """Run it once. `value` is the trigger's Datum, `metadata` its trigger metadata: name to Datum."""
    from azure_functions_runtime.native_invocation import invocation_request_native

    inputs = [(function.trigger["name"], value)]
    ok, returned, _, error, _ = await invocation_request_native(str(uuid.uuid4()), function.id, inputs, metadata)
    return Returned(returned) if ok else Raised(error)


def datum(value: bytes | str | Json) -> Any:
    """Bytes and text as they are, anything else as JSON: as the host sends values to a worker."""
    from azure_functions_runtime.bindings.datumdef import Datum

    match value:
        case bytes():
            return Datum(value, "bytes")
        case str():
            return Datum(value, "string")
        case _:
            return Datum(json.dumps(value), "json")


def http_datum(**parts: Any) -> Any:
    """A request: `method` and `url` as text, `body` as bytes, `headers`, `query` and `params` name to text."""
    from azure_functions_runtime.bindings.datumdef import Datum

    return Datum({name: _parts(part) for name, part in parts.items()}, "http")


def _parts(part: str | bytes | Mapping[str, str]) -> Any:
    return datum(part) if isinstance(part, str | bytes) else {name: datum(text) for name, text in part.items()}


def _function(found: Any) -> Function:
    bindings = [json.loads(text) for text in found.raw_bindings]
    trigger = next(each for each in bindings if each["type"].endswith("Trigger"))
    options = found.retry_options
    retry = getattr(options, "delay_interval", None) or getattr(options, "minimum_interval", None)
    return Function(found.name, found.function_id, trigger, retry)
