"""The trigger file, as it may be written. Descriptions become the documentation and the editors' JSON Schema."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from retrigger.triggers.authoring.fields import (
    AtLeastOne,
    Count,
    Duration,
    Expression,
    Glob,
    Identifier,
    Name,
    Period,
    Pointer,
    Size,
    TriggerName,
)
from retrigger.triggers.authoring.launching import Launch
from retrigger.triggers.authoring.model import Model, form
from retrigger.triggers.authoring.sources import Source
from retrigger.triggers.spec import Archive

ARCHIVE = (
    "What the ledger keeps of an event that is settled: `full`, `metadata` (nothing that its sender wrote in it), "
    "`none` (hashes)"
)


def _column(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


_Type = Literal["str", "int", "float", "bool", "date", "datetime"]


class ColumnShape(Model):
    """What the cells of a column must be."""

    type: _Type = Field(default="str", description="The type of every value that is not empty.")
    one_of: list[str] = Field(
        default=[], max_length=10_000, description="The only texts that a value may be; not for Parquet."
    )

    @model_validator(mode="after")
    def _texts(self) -> ColumnShape:
        if self.one_of and self.type != "str":
            raise PydanticCustomError("one_of_keys", "lists texts in `one_of`: leave its `type` out")
        return self


Column = Annotated[ColumnShape, BeforeValidator(_column, json_schema_input_type=_Type | ColumnShape)]


class ObjectCheck(Model):
    """The data gate: what every object must satisfy."""

    format: Literal["csv", "jsonl", "parquet"] = Field(default="csv", description="How the object is read.")
    columns: dict[str, Column] = Field(default={}, description="Column name to type, or to `{one_of: [...]}`.")
    max_null_ratio: float | None = Field(
        default=None, ge=0, le=1, description="The share of a column's values that may be empty."
    )
    min_rows: Count | None = Field(default=None, description="At least so many rows of data.")
    max_rows: Count | None = Field(default=None, description="At most so many rows of data.")
    max_bytes: Size | None = Field(default=None, description="The object's size at most, such as `2GiB`.")


class WindowCheck(Model):
    """Checked when the window closes."""

    min_rows: Count | None = Field(default=None, description="At least so many rows, of all members together.")


def _one_name(value: str | dict[str, dict[str, object]]) -> object:
    if isinstance(value, dict) and len(value) != 1:
        raise PydanticCustomError("one_of_keys", "names exactly one plug-in: write each as an entry of the list")
    return value


Validator = Annotated[
    Annotated[Name, Tag("short")] | Annotated[dict[Name, dict[Identifier, object]], Tag("full")],
    Discriminator(form),
    AfterValidator(_one_name),
]


class Validate(Model):
    """Checks before money is spent."""

    object: ObjectCheck | None = Field(default=None, description="What every object must satisfy.")
    window: WindowCheck | None = Field(default=None, description="What all objects of a window must satisfy together.")
    validators: list[Validator] = Field(
        default=[],
        alias="with",
        max_length=10,
        description="Plug-ins that judge the event, and the data of its object: `NAME`, or `{NAME: {OPTION: VALUE}}`.",
    )


class Until(Model):
    """What completes a window before its time: exactly one key."""

    object: Glob | None = Field(default=None, description="Glob of the marker objects.")
    count: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="So many members; each that joins costs a listing of as many."
    )
    manifest: Glob | None = Field(
        default=None,
        description="Glob of the objects that list the members: JSON `{members: [{uri}]}`, or a URI a line.",
    )

    @model_validator(mode="after")
    def _one(self) -> Until:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("one_of_keys", "takes exactly one of `object`, `count`, `manifest`")
        return self


class Manifest(Model):
    """The list of a window's members."""

    format: Literal["json", "uris", "mltable"] = Field(
        default="json", description="JSON with versions and sizes, one URI a line, or a folder with an MLTable file."
    )


class Window(Model):
    """What waits together to become one run."""

    key: Expression | None = Field(
        default=None, description="Objects with equal keys share a window; default: one window for all."
    )
    quiet: Duration = Field(default=timedelta(), description="Due when nothing arrived for so long.")
    max_wait: Period = Field(default=timedelta(hours=1), description="Due at the latest.")
    max_members: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=10_000, description="Over it, the window becomes several runs."
    )
    until: Until | None = Field(default=None, description="What completes the window.")
    settle: Duration = Field(
        default=timedelta(minutes=5),
        description="How long a marker waits for the files that it announced; only with `until.object`.",
    )
    at_max_wait: Literal["launch", "reject"] | None = Field(
        default=None,
        description="After `max_wait`: launch what came, or reject it; default: `reject` with `until`, else `launch`.",
    )
    bad_member: Literal["drop", "reject"] = Field(
        default="drop", description="A member that fails its checks: leave it out, or reject the window."
    )
    manifest: Manifest = Field(default=Manifest(), description="The form of what `window.manifest` names.")


class Concurrency(Model):
    """How many runs at once."""

    limit: AtLeastOne = Field(default=1, description="Runs at once.")
    key: Expression | None = Field(
        default=None, description="The limit holds for each value of this; default: one limit for the trigger."
    )
    when_busy: Literal["coalesce", "queue", "skip", "replace"] = Field(
        default="coalesce",
        description="What becomes of what is due while the limit is reached: `coalesce` gathers it for one follow-up "
        "run, `queue` gives each event a run of its own, the earliest first, `skip` lets it go, `replace` "
        "stops the run at work and starts the newest.",
    )


class Throttle(Model):
    """How many launches in a period."""

    limit: Annotated[int, Field(ge=1, le=500)] = Field(description="Launches in any such period.")
    per: Period = Field(description="The period, such as `24h`.")
    when_over: Literal["hold", "skip"] = Field(
        default="hold",
        description="What becomes of a launch over the limit: `hold` lets it wait for its turn, `skip` lets it go.",
    )


class Deduplicate(Model):
    """How long an occurrence is remembered."""

    keep: Period = Field(default=timedelta(days=35), description="At least as long as the source may deliver again.")


class Admit(Model):
    """When a launch may happen."""

    window: Window | None = Field(default=None, description="What waits together to become one run.")
    concurrency: Concurrency | None = Field(default=None, description="How many runs at once.")
    throttle: Throttle | None = Field(default=None, description="How many launches in a period.")
    deduplicate: Deduplicate | None = Field(default=None, description="How long an occurrence is remembered.")


class OnFailure(Model):
    """What becomes of a failed run."""

    retry: Annotated[int, Field(ge=0, le=10)] = Field(default=0, description="More tries of the same run.")
    then: Literal["carry_over", "dead"] = Field(
        default="carry_over", description="Its members join the next window, or become a dead letter."
    )


class TriggerFile(Model):
    """One trigger."""

    name: TriggerName = Field(description="Unique in the project; runs are named after it.")
    description: str = Field(default="", description="For people.")
    source: list[Source] = Field(min_length=1, max_length=100, description="Any of these wakes the trigger.")
    filter: Expression | None = Field(default=None, description="Only events for which this is true, of any source.")
    checks: Validate | None = Field(default=None, alias="validate", description="Checks before money is spent.")
    admit: Admit = Field(default=Admit(), description="When a launch may happen.")
    deduplicate: Deduplicate | None = Field(default=None, description="How long an occurrence is remembered.")
    launch: Launch = Field(description="What is launched.")
    on_failure: OnFailure = Field(default=OnFailure(), description="What becomes of a failed run.")
    archive: Archive | None = Field(default=None, description=f"{ARCHIVE}; default: that of the project.")
    redact: list[Pointer] = Field(
        default=[], max_length=100, description="What is left out of an event that is kept whole otherwise."
    )
    mode: Literal["launch", "observe"] = Field(
        default="launch", description="`observe` records what would launch and launches nothing."
    )

    @model_validator(mode="after")
    def _one(self) -> TriggerFile:
        if self.deduplicate and self.admit.deduplicate:
            raise PydanticCustomError("one_of_keys", "has `deduplicate` twice, also under `admit`: keep one")
        if self.redact and self.archive not in {None, "full"}:
            told = f"has `redact`, of which `archive: {self.archive}` leaves nothing: leave one of them out"
            raise PydanticCustomError("unused_key", told)
        return self
