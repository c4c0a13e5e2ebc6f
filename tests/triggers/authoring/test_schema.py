"""The JSON Schema that editors are given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import jsonschema_rs
import pytest

from retrigger.triggers.authoring import yaml
from retrigger.triggers.authoring.schema import Kind, json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[3]
PROJECTS = [ROOT / "examples" / "churn", ROOT / "tests" / "golden" / "section6"]
PROJECTS += sorted((ROOT / "tests" / "golden" / "users").iterdir())
TRIGGER: dict[str, Any] = {
    "name": "churn",
    "source": [{"object": {"in": "landing", "match": "*.csv"}}],
    "launch": {"pipeline": "churn"},
}


def mistakes(kind: Kind, data: object) -> list[str]:
    return [str(error) for error in jsonschema_rs.validator_for(json_schema(kind)).iter_errors(data)]


def files(project: Path) -> Iterator[tuple[Kind, Path]]:
    yield "project", project / "retrigger.yaml"
    for path in sorted((project / "triggers").glob("*.yaml")):
        yield "trigger", path


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_every_file_that_check_finds_right_is_right(project: Path) -> None:
    for kind, path in files(project):
        assert (path.name, mistakes(kind, yaml.parse(path.read_text(encoding="utf-8"), path.name).data)) == (
            path.name,
            [],
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Churn"},
        {"launch": {"pipelin": "churn"}},
        {"launch": None},
        {"source": []},
        {"filter": None},
        {"source": [{"lifecycle": {"from": "ml"}}]},
        {"admit": {"window": {"quiet": "10 minutes"}}},
        {"admit": {"window": {"until": {"count": 0}}}},
        {"admit": {"concurrency": {"when_busy": "sort"}}},
        {"validate": {"object": {"columns": {"Age": "integer"}}}},
        {"launch": {"pipeline": {"by": "event.id"}}},
    ],
)
def test_what_check_would_tell_of_a_shape_an_editor_tells(wrong: Mapping[str, Any]) -> None:
    assert mistakes("trigger", TRIGGER) == []
    assert mistakes("trigger", {**TRIGGER, **wrong}) != []


@pytest.mark.parametrize("kind", get_args(Kind))
def test_it_is_a_schema_and_every_key_has_a_description(kind: Kind) -> None:
    schema = json_schema(kind)
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    lacking = [name for name, key in _keys(schema) if not _described(key, schema["$defs"])]
    assert lacking == []


def test_defaults_are_written_as_an_author_writes_them() -> None:
    window = json_schema("trigger")["$defs"]["Window"]["properties"]
    assert [window[name]["default"] for name in ("quiet", "max_wait", "settle")] == ["0s", "1h", "5m"]
    assert "default" not in window["at_max_wait"]


def _keys(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    match schema:
        case dict():
            yield from schema.get("properties", {}).items()
            for part in schema.values():
                yield from _keys(part)
        case list():
            for part in schema:
                yield from _keys(part)


def _described(key: dict[str, Any], definitions: Mapping[str, Any]) -> bool:
    """By itself, or by what it refers to."""
    referred = definitions.get(key.get("$ref", "").removeprefix("#/$defs/"), {})
    return bool(key.get("description") or referred.get("description"))
