"""The JSON Schema of the files that an author writes, for editors: made from the models, so that it cannot drift.

What it cannot say (that a name exists, that an expression is right) only `check` can.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from retrigger.triggers.authoring.environments import ProjectFile
from retrigger.triggers.authoring.fields import written
from retrigger.triggers.authoring.models import TriggerFile

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

Kind = Literal["trigger", "project"]
_MODELS: dict[Kind, tuple[type[BaseModel], str]] = {
    "trigger": (TriggerFile, "A trigger of retrigger (triggers/*.yaml)"),
    "project": (ProjectFile, "A project of retrigger (retrigger.yaml)"),
}


def json_schema(kind: Kind) -> dict[str, Any]:
    """The schema of one kind of file, draft 2020-12."""
    model, title = _MODELS[kind]
    schema = model.model_json_schema(by_alias=True, schema_generator=_AsWritten)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": title}


class _AsWritten(GenerateJsonSchema):
    """Values as an author writes them: durations in units, and no null, which stands for a key left out."""

    def field_title_should_be_set(self, schema: object) -> bool:
        del schema
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def encode_default(self, dft: Any) -> Any:
        match dft:
            case timedelta():
                return written(dft)
            case BaseModel():
                return {}
            case _:
                return super().encode_default(dft)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        told = super().default_schema(schema)
        if told.get("default", ...) is None:
            del told["default"]
        return told
