"""The base of every model of an author's file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator
from pydantic_core import PydanticCustomError

Parameters = dict[str, object]


class Model(BaseModel):
    """Nothing is guessed: no conversions, no unknown keys."""

    # Only the two whole files are validated, and building every part of them on its own takes 50 ms more.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _given(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError("empty_value", "is empty: give a value, or leave the key out")
        return value


def form(value: object) -> str:
    """The tag of a value that may be written short, as text, or in full, as a mapping."""
    return "full" if isinstance(value, dict) else "short"
