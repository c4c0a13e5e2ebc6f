"""The scalar types of the trigger file and the project file: durations, sizes, names, globs, addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

from retrigger.triggers import glob

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

LONGEST = timedelta(days=3660)
_DURATION = r"(?=\d)(\d{1,7}d)?(\d{1,7}h)?(\d{1,7}m)?(\d{1,7}s)?"
_PERCENT = r"(\d{1,3}(?:\.\d{1,6})?)%"
_LATENCY = r"(\d{1,7})(ms|s)"
_VERSION = r"[0-9]{1,18}|\$\{\{.{1,4000}\}\}"
_SIZE = r"(\d{1,15}) ?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)"
_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}


@dataclass(frozen=True, slots=True)
class Called:
    """The word for a kind of value in the reference, and what such a value is."""

    word: str
    told: str


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a pattern, what people are told who wrote another one, and the word for it in the reference."""

    pattern: str
    told: str
    word: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, core_schema.str_schema(strict=True))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^({self.pattern})$"}

    def check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value, re.ASCII):
            raise PydanticCustomError("bad_value", "must be {told}", {"told": self.told})
        return value


def duration(value: object) -> timedelta:
    """`30m`, `6h`, `1h30m`, `2d`, and plain 0. At most ten years."""
    if value == 0 and not isinstance(value, bool):
        return timedelta()
    found = re.fullmatch(_DURATION, value, re.ASCII) if isinstance(value, str) else None
    if not found:
        raise PydanticCustomError("bad_duration", "is no duration: write it as `30m`, `6h`, `1h30m` or `2d`")
    days, hours, minutes, seconds = (int((part or "0 ")[:-1]) for part in found.groups())
    told = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if told > LONGEST:
        raise PydanticCustomError("bad_duration", "is longer than ten years: write a shorter duration")
    return told


def written(told: timedelta) -> str:
    """A duration as an author writes it: the inverse of `duration`, in whole seconds."""
    minutes, seconds = divmod(int(told.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = zip((days, hours, minutes, seconds), "dhms", strict=True)
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def size(value: object) -> int:
    """`2GiB`, `100MB`, or a whole number of bytes; the result is in bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = re.fullmatch(_SIZE, value, re.ASCII) if isinstance(value, str) else None
    if not found:
        raise PydanticCustomError("bad_size", "is no size: write it as `2GiB`, `100MB` or a whole number of bytes")
    return int(found[1]) * _UNITS[found[2]]


def ratio(value: object) -> float:
    """`1%`, `0.5%`, or a number from 0 to 1; the result is from 0 to 1."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    found = re.fullmatch(_PERCENT, value, re.ASCII) if isinstance(value, str) else None
    if not found or float(found[1]) > 100:
        raise PydanticCustomError("bad_ratio", "is no ratio: write it as `1%`, or as a number from 0 to 1")
    return float(found[1]) / 100


def latency(value: object) -> timedelta:
    """`300ms` or `2s`."""
    found = re.fullmatch(_LATENCY, value, re.ASCII) if isinstance(value, str) else None
    if not found:
        raise PydanticCustomError("bad_duration", "is no latency: write it as `300ms` or `2s`")
    return timedelta(milliseconds=int(found[1]) * (1 if found[2] == "ms" else 1000))


def _digits(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _glob(text: str) -> str:
    try:
        glob.parse(text)
    except ValueError as error:
        raise PydanticCustomError("bad_glob", "is no glob: {reason}", {"reason": str(error)}) from error
    return text


def positive(value: timedelta) -> timedelta:
    if not value:
        raise PydanticCustomError("bad_duration", "must be longer than 0")
    return value


Duration = Annotated[
    timedelta,
    Called("duration", "`30m`, `6h`, `1h30m`, `2d`, or 0; at most ten years"),
    BeforeValidator(duration),
    WithJsonSchema({"anyOf": [{"const": 0}, {"type": "string", "pattern": f"^{_DURATION}$"}]}),
]
Period = Annotated[Duration, Called("period", "a duration longer than 0"), AfterValidator(positive)]
Size = Annotated[
    int,
    Called("size", "`2GiB`, `100MB`, or a whole number of bytes"),
    BeforeValidator(size),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": f"^{_SIZE}$"}]}),
]
Ratio = Annotated[
    float,
    Called("ratio", "`1%`, or a number from 0 to 1"),
    BeforeValidator(ratio),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": f"^{_PERCENT}$"}]}
    ),
]
Latency = Annotated[
    timedelta,
    Called("latency", "`300ms` or `2s`"),
    BeforeValidator(latency),
    WithJsonSchema({"type": "string", "pattern": f"^{_LATENCY}$"}),
]
Percent = Annotated[int, Field(ge=1, le=100)]

TriggerName = Annotated[
    str,
    Text(
        r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
        "lower-case letters, digits and `-`, a letter first, at most 63",
        "plain name",
    ),
]
Name = Annotated[
    str, Text(r"[A-Za-z][-A-Za-z0-9_.]{0,99}", "letters, digits, `-`, `_` and `.`, a letter first, at most 100", "name")
]
Identifier = Annotated[
    str, Text(r"[A-Za-z_][A-Za-z0-9_]{0,99}", "letters, digits and `_`, no digit first, at most 100", "identifier")
]
Expression = Annotated[
    str,
    Called(
        "expression", "CEL over `event.*`, `match.*`, `window.*` and `vars.*`, as far as each is known at its place"
    ),
    StringConstraints(min_length=1),
]
Value = Annotated[
    str,
    Called("template text", "text, 1 to 4096 characters, that may hold `${{ expression }}`"),
    StringConstraints(min_length=1, max_length=4096),
]
"""Text that may hold `${{ expression }}`."""
ModelName = Annotated[
    str,
    Text(
        r"[A-Za-z0-9][-A-Za-z0-9_.]{0,254}",
        "a model's name: letters, digits, `-`, `_` and `.`, at most 255",
        "model name",
    ),
]
Version = Annotated[
    str,
    Text(_VERSION, "digits, or one `${{ expression }}`", "version"),
    BeforeValidator(_digits),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^({_VERSION})$"}]}),
]
EventType = Annotated[str, Text(r"\S{1,255}", "an event's type, without spaces", "event type")]
Glob = Annotated[
    str,
    Called("glob", "`*` within a folder, `**/` any folders or none, `{name}` a capture; all else is literal"),
    StringConstraints(min_length=1, max_length=1024),
    AfterValidator(_glob),
]
FilePath = Annotated[str, Text(r"(?!gs://|https?://)[^\x00-\x1f]{1,1024}", "a path from the project's root", "path")]
"""Relative to the project's root, and inside it."""
ServiceAccount = Annotated[
    str, Text(r"[^@\s]{1,100}@[^@\s]{1,200}", "a service account's e-mail address", "service account")
]
RunAs = Annotated[
    str,
    Text(r"default|[^@\s]{1,100}@[^@\s]{1,200}", "a service account's e-mail address, or `default`", "identity"),
]
"""Of a pipeline's runs."""
Pointer = Annotated[
    str,
    Text(r"(/([^/~]|~[01]){1,200}){2,20}", "a JSON pointer into the event, such as `/message/json/email`", "pointer"),
]
LabelKey = Annotated[
    str,
    Text(r"[a-z][-a-z0-9_]{0,62}", "lower-case letters, digits, `-` and `_`, a letter first, at most 63", "label key"),
]
LabelValue = Annotated[
    str, Text(r"[-a-z0-9_]{0,63}", "lower-case letters, digits, `-` and `_`, at most 63", "label value")
]
TagKey = Annotated[str, Called("tag", "text, 1 to 512 characters"), StringConstraints(min_length=1, max_length=512)]
TagValue = Annotated[str, Called("tag value", "text, at most 256 characters"), StringConstraints(max_length=256)]
AzureName = Annotated[
    str, Text(r"[A-Za-z0-9][-A-Za-z0-9_]{0,254}", "letters, digits, `-` and `_`, at most 255 characters", "Azure name")
]
Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
