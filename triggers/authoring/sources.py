"""What a trigger may listen to, as it may be written in its file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from retrigger.triggers.authoring.fields import Duration, EventType, Expression, FilePath, Glob, Name, TriggerName
from retrigger.triggers.authoring.model import Model, Parameters
from retrigger.triggers.spec import RunEnd


class ObjectSource(Model):
    """Objects of a store."""

    store: Name = Field(alias="in", description="The store's name in the environment.")
    match: Glob = Field(description="Glob over the object's name: `*`, `**/`, and captures such as `{dt}`.")
    change: list[Literal["created", "deleted", "archived", "metadata", "renamed"]] = Field(
        default=["created"], min_length=1, description="Which changes of an object count."
    )
    filter: Expression | None = Field(default=None, description="Only events for which this is true.")
    key: Expression | None = Field(
        default=None, description="What makes two deliveries the same occurrence; default: the event's own identity."
    )
    parameters: Parameters = Field(default={}, description="Override the launch's parameters.")


class MessageSource(Model):
    """Messages of a channel."""

    channel: Name = Field(alias="in", description="The channel's name in the environment.")
    schema_file: FilePath | None = Field(
        default=None, alias="schema", description="A JSON Schema file that the message's body must satisfy."
    )
    filter: Expression | None = Field(default=None, description="Only events for which this is true.")
    key: Expression | None = Field(
        default=None, description="What makes two deliveries the same occurrence; default: the event's own identity."
    )
    parameters: Parameters = Field(default={}, description="Override the launch's parameters.")
    joins: Literal["window"] | None = Field(
        default=None, description="The objects that `members` names join their windows; the message launches nothing."
    )
    members: Expression | None = Field(
        default=None, description="With `joins`: the URI of an object, or a list of up to 1,000 of them."
    )

    @model_validator(mode="after")
    def _joining(self) -> MessageSource:
        if self.joins and not self.members:
            raise PydanticCustomError("missing_key", "has `joins` without `members`: say which objects it names")
        if self.members and not self.joins:
            raise PydanticCustomError("missing_key", "has `members` without `joins`: write `joins: window`")
        if self.joins and self.parameters:
            told = "launches nothing, since it has `joins`: leave its `parameters` out"
            raise PydanticCustomError("unused_key", told)
        return self


class ScheduleSource(Model):
    """A clock."""

    cron: str = Field(description="Five fields: minute, hour, day of the month, month, day of the week.")
    timezone: str = Field(default="UTC", description="IANA name, such as `Europe/Paris`.")
    missed: Literal["last", "all", "none"] = Field(
        default="last", description="Which of the times that an outage let pass are made up for."
    )
    late_at_most: Duration | None = Field(
        default=None, description="Later than this, a missed time is let go; default: no bound."
    )
    filter: Expression | None = Field(default=None, description="Only events for which this is true.")
    parameters: Parameters = Field(default={}, description="Override the launch's parameters.")


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class LifecycleSource(Model):
    """What happens to runs, models, endpoints and tables; with `of`, the ends of another trigger's runs."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["type"]}, {"required": ["of"]}]})

    of: TriggerName | None = Field(
        default=None, description="A trigger of this project: each end of a run of it is an event. No `type` then."
    )
    status: Annotated[
        list[RunEnd],
        Field(min_length=1),
        BeforeValidator(_listed, json_schema_input_type=RunEnd | list[RunEnd]),
    ] = Field(default=["succeeded"], description="With `of`: how a run must have ended, or a list of such.")
    platform: Name | None = Field(
        default=None,
        alias="from",
        description="A name in the environment's `platforms`; default: the environment's own.",
    )
    types: Annotated[
        list[EventType],
        Field(min_length=1, max_length=50),
        BeforeValidator(_listed, json_schema_input_type=EventType | list[EventType]),
    ] = Field(default=[], alias="type", description="The event's type, or a list of types; needed without `of`.")
    filter: Expression | None = Field(default=None, description="Only events for which this is true.")
    key: Expression | None = Field(
        default=None, description="What makes two deliveries the same occurrence; default: the event's own identity."
    )
    parameters: Parameters = Field(default={}, description="Override the launch's parameters.")

    @model_validator(mode="after")
    def _one(self) -> LifecycleSource:
        told = self.model_fields_set
        if self.of is None and "types" not in told:
            raise PydanticCustomError("missing_key", "has neither `type` nor `of`: say which events, or whose runs")
        if self.of is None and "status" in told:
            raise PydanticCustomError("unused_key", "has `status` without `of`: put it into the `filter`")
        if self.of is not None and told & {"types", "platform"}:
            raise PydanticCustomError("unused_key", "has `of`, which names our own runs: leave `type` and `from` out")
        return self


class Source(Model):
    """One of the things that a trigger listens to: exactly one key."""

    object: ObjectSource | None = Field(default=None, description="Objects of a store.")
    message: MessageSource | None = Field(default=None, description="Messages of a channel.")
    schedule: ScheduleSource | None = Field(default=None, description="A clock.")
    lifecycle: LifecycleSource | None = Field(default=None, description="What happens on a platform.")

    @model_validator(mode="after")
    def _one(self) -> Source:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError(
                "one_of_keys", "takes exactly one of `object`, `message`, `schedule`, `lifecycle`"
            )
        return self
