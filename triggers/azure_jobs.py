"""What one request can launch of a pipeline job of Azure ML, and what of it cannot be launched so.

A launch is one request, made of the author's YAML and the parameters: what it names must be registered, with its
version, since local code would have to be uploaded first, and `@latest` may be another component tomorrow than the one
that was tried today. What this module does not know it refuses: nothing that an author wrote is dropped silently.
The forms: https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-pipeline.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from retrigger.triggers.frozen import dataclass
from retrigger.triggers.signature import DATA

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from retrigger.triggers.event import Json

# An author's words, and the API's.
INPUT_MODES: Final = {
    "ro_mount": "ReadOnlyMount",
    "download": "Download",
    "direct": "Direct",
    "eval_mount": "EvalMount",
    "eval_download": "EvalDownload",
}
OUTPUT_MODES: Final = {
    "rw_mount": "ReadWriteMount",
    "mount": "ReadWriteMount",
    "upload": "Upload",
    "direct": "Direct",
}
IDENTITIES: Final = {
    "managed": "Managed",
    "managed_identity": "Managed",
    "user_identity": "UserIdentity",
    "aml_token": "AMLToken",
}
POLICIES: Final = {
    "bandit": "Bandit",
    "median_stopping": "MedianStopping",
    "truncation_selection": "TruncationSelection",
}
BATCH_SIZE: Final = r"(\d{1,15})([kKmMgG][bB])?"
"""Of a parallel step: a number of files, or of bytes with its unit."""

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"
_PINNED: Final = (
    rf"azureml:{_NAME}:{_NAME}|azureml://registries/{_NAME}/[a-z]+/{_NAME}/versions/{_NAME}"
    rf"|(azureml:)?/subscriptions/\S+/versions/{_NAME}"
)
_PLACED: Final = rf"azureml:{_NAME}|azureml:/subscriptions/\S+/{_NAME}"
_SCHEMES: Final = ("https://", "http://", "wasbs://", "wasb://", "abfss://", "abfs://", "adl://")
_OF_A_PLACE: Final = r"azureml://(datastores|subscriptions|jobs|locations)/\S+"


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


_JOB: Final = _keys(
    "$schema type name display_name description experiment_name tags properties inputs outputs settings compute"
    " identity jobs"
)
_SETTINGS: Final = _keys("default_compute default_datastore continue_on_step_failure force_rerun")
_EVERY_STEP: Final = _keys("type compute inputs outputs display_name description tags properties comment")
_STEPS: Final[Mapping[str, frozenset[str]]] = {
    "command": _keys("component resources limits environment_variables identity"),
    "parallel": _keys(
        "component resources environment_variables identity mini_batch_size mini_batch_error_threshold error_threshold"
        " logging_level max_concurrency_per_instance retry_settings"
    ),
    "pipeline": _keys("component"),
    "sweep": _keys("trial sampling_algorithm search_space objective limits early_termination"),
}
_INPUT: Final = _keys("type path value default optional min max enum mode description")
_STEP_INPUT: Final = _keys("type path mode")
_OUTPUT: Final = _keys("type path mode name version")
_IDENTITY: Final = _keys("type client_id object_id")
_LITERALS: Final = ("string", "integer", "number", "boolean")

At = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a pipeline job cannot be launched, and where in it: the keys from the top."""

    at: At
    code: Literal["unpinned_reference", "not_launchable"]
    message: str


def faults(pipeline: Mapping[str, Json]) -> Iterator[Fault]:
    """Everything that stands in the way of a launch, in the order of the document."""
    yield from _unknown((), pipeline, _JOB)
    yield from _unknown(("settings",), pipeline.get("settings"), _SETTINGS)
    yield from _compute((), pipeline, "compute")
    yield from _compute(("settings",), pipeline.get("settings"), "default_compute")
    yield from _compute(("settings",), pipeline.get("settings"), "default_datastore")
    yield from _identity((), pipeline)
    yield from _texts((), pipeline)
    yield from _ports((), pipeline, _INPUT)
    for name, step in _items(pipeline.get("jobs")):
        yield from _step(("jobs", name), step)


def is_pinned(reference: str) -> bool:
    """Whether this names something registered, and its version: in the workspace, in a registry, or by resource id."""
    return re.fullmatch(_PINNED, reference) is not None


def is_readable(path: str) -> bool:
    """Whether Azure ML can read data from there: a registered asset with its version, or a URI that it knows."""
    if path.startswith("azureml:"):
        return is_pinned(path) or re.fullmatch(_OF_A_PLACE, path) is not None
    return path.startswith(_SCHEMES) or is_pinned(path)


def is_binding(text: str) -> bool:
    """Whether Azure ML would put the value of something else in its place."""
    return "${{" in text


def _step(at: At, step: Json) -> Iterator[Fault]:
    if not isinstance(step, dict):
        yield Fault(at, "not_launchable", "a step is a mapping: write `component: azureml:NAME:VERSION` in it")
        return
    kind = step.get("type", "command")
    if not isinstance(kind, str) or kind not in _STEPS:
        told = f"a step of type `{str(kind)[:40]}` is not launched from here, only {', '.join(_STEPS)}"
        yield Fault((*at, "type"), "not_launchable", f"{told}: put it into a registered pipeline component")
        return
    if "code" in step:
        told = "local code is not uploaded by a launch: register the component, then name its version"
        yield Fault((*at, "code"), "unpinned_reference", told)
        return
    key = "trial" if kind == "sweep" else "component"
    match step.get(key):
        case str(reference) if is_pinned(reference):
            yield from _unknown(at, step, _EVERY_STEP | _STEPS[kind])
        case str(reference):
            yield Fault((*at, key), "unpinned_reference", _advice(reference))
        case _:
            told = f"its component is written here: register it, then write `{key}: azureml:NAME:VERSION`"
            yield Fault(at, "unpinned_reference", told)
    yield from _compute(at, step, "compute")
    yield from _identity(at, step)
    yield from _ports(at, step, _STEP_INPUT)
    yield from _texts(at, step)
    yield from _numbers(at, step, kind)
    if kind == "sweep":
        yield from _typed(at, step, "early_termination", POLICIES)


def _numbers(at: At, step: Mapping[str, Json], kind: str) -> Iterator[Fault]:
    limits = step.get("limits")
    if kind == "command" and limits is not None:
        timeout = _mapping(limits).get("timeout")
        if set(_mapping(limits)) != {"timeout"} or not isinstance(timeout, int) or timeout < 1:
            yield Fault((*at, "limits"), "not_launchable", "write the limit of a command as `{timeout: SECONDS}`")
    if kind == "parallel" and not re.fullmatch(BATCH_SIZE, str(step.get("mini_batch_size", 1))):
        told = "so many files, or so many bytes: write it as `10` or `10kb`"
        yield Fault((*at, "mini_batch_size"), "not_launchable", told)


def _ports(at: At, holder: Mapping[str, Json], known: Collection[str]) -> Iterator[Fault]:
    """The inputs and outputs of the pipeline or of a step."""
    for name, value in _items(holder.get("inputs")):
        here = (*at, "inputs", name)
        match value:
            case list() | None:
                yield Fault(here, "not_launchable", "an input is a text, a number, a boolean or data with its `path`")
            case dict():
                yield from _unknown(here, value, known)
                yield from _word(here, value, "type", (*DATA, *(() if at else _LITERALS)))
                yield from _word(here, value, "mode", INPUT_MODES)
                yield from _path(here, value.get("path"), required=bool(at))
    for name, value in _items(holder.get("outputs")):
        here = (*at, "outputs", name)
        match value:
            case dict():
                yield from _unknown(here, value, _OUTPUT)
                yield from _word(here, value, "type", DATA)
                yield from _word(here, value, "mode", OUTPUT_MODES)
            case str() if at and is_binding(value):
                pass
            case _ if value is not None:
                yield Fault(here, "not_launchable", "an output is a mapping, such as `{type: uri_folder}`")


def _path(at: At, path: Json, *, required: bool) -> Iterator[Fault]:
    match path:
        case None if not required:
            pass
        case str() if is_binding(path) or is_readable(path):
            pass
        case str():
            yield Fault((*at, "path"), "unpinned_reference", _advice(path))
        case _:
            yield Fault(at, "not_launchable", "data has a `path`, as text")


def _identity(at: At, holder: Mapping[str, Json]) -> Iterator[Fault]:
    yield from _typed(at, holder, "identity", IDENTITIES)
    yield from _unknown((*at, "identity"), _mapping(holder.get("identity")), _IDENTITY)


def _typed(at: At, holder: Mapping[str, Json], key: str, known: Collection[str]) -> Iterator[Fault]:
    """A mapping that names what it is."""
    if key in holder and not _is_one_of(_mapping(holder[key]).get("type"), known):
        yield Fault((*at, key), "not_launchable", f"this is a mapping whose `type` is one of {', '.join(known)}")


def _texts(at: At, holder: Mapping[str, Json]) -> Iterator[Fault]:
    for key in ("tags", "properties"):
        value = holder.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            yield Fault((*at, key), "not_launchable", "this is a mapping of names to texts")


def _compute(at: At, holder: Json | Mapping[str, Json], key: str) -> Iterator[Fault]:
    """A compute or a datastore: `azureml:NAME`, its resource id, or `serverless`."""
    if not isinstance(holder, dict) or key not in holder:
        return
    match holder[key]:
        case "serverless" if key != "default_datastore":
            pass
        case str(name) if re.fullmatch(_PLACED, name):
            pass
        case _:
            yield Fault((*at, key), "not_launchable", "name it as `azureml:NAME`")


def _unknown(at: At, holder: Json | Mapping[str, Json], known: Collection[str]) -> Iterator[Fault]:
    if holder is not None and not isinstance(holder, dict):
        yield Fault(at, "not_launchable", "this is a mapping")
    for key, _ in _items(holder):
        if key not in known:
            told = "a launch does not send this" + (": set it in the component" if at[:1] == ("jobs",) else "")
            yield Fault((*at, key), "not_launchable", told)


def _word(at: At, holder: Mapping[str, Json], key: str, known: Collection[str]) -> Iterator[Fault]:
    if key in holder and not _is_one_of(holder[key], known):
        yield Fault((*at, key), "not_launchable", f"this is one of {', '.join(known)}")


def _is_one_of(value: Json, known: Collection[str]) -> bool:
    return isinstance(value, str) and value in known


def _mapping(value: Json | Mapping[str, Json]) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _items(holder: Json | Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    yield from _mapping(holder).items()


def _advice(reference: str) -> str:
    what = "names no version" if reference.startswith("azureml:") else "is a file on this machine"
    return f"`{reference[:200]}` {what}: register it, then write `azureml:NAME:VERSION`"
