"""What a project's files hold: bounded reading, inside the project only. Templates and message schemas.

Templates that live elsewhere are had from copies, or from whoever fetches them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import jsonschema_rs

from retrigger.triggers import schema_cost, templates
from retrigger.triggers.authoring import yaml
from retrigger.triggers.authoring.addresses import address_of, pinned
from retrigger.triggers.authoring.problems import Problem, ProjectError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from retrigger.triggers.authoring.kept import Templates
    from retrigger.triggers.event import Json
    from retrigger.triggers.signature import Signature

MAX_TEXT = 1 << 20
MAX_TEMPLATE = 32 << 20


class Unfit(Exception):
    """What a file that another file names lacks. `code` and the text become a problem where it is named."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled pipeline. `sha` is the SHA-256 of `text`, its JSON with sorted keys; `document` is the file.

    `uri`: the address that always means this one, of a template in Artifact Registry.
    """

    document: yaml.Document
    text: str
    sha: str
    signature: Signature
    uri: str | None = None


def read_text(root: Path, name: str, limit: int = MAX_TEXT) -> str:
    """A file of the project as text. Unfit if it is not there, too large, not UTF-8, or outside of the project."""
    path = root / name
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            raise Unfit("outside_project", f"`{name}` is outside of the project: put the file below its root")
        if not path.is_file():
            raise Unfit("missing_file", f"`{name}` is no file: check the path")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except RuntimeError as error:  # what pathlib makes of ELOOP
        raise Unfit("unreadable_file", f"`{name}` is a link that leads to itself: check the file") from error
    except OSError as error:
        raise Unfit("unreadable_file", f"`{name}` cannot be read ({error.strerror}): check the file") from error
    if len(data) > limit:
        raise Unfit("file_too_large", f"`{name}` is larger than {limit >> 20} MiB")
    return _decoded(data, name)


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unfit("not_utf8", f"`{name}` is not UTF-8 at byte {error.start}: save it as UTF-8") from error


def read_document(root: Path, name: str) -> yaml.Document:
    """A YAML file of the project, with places. ProjectError if it cannot be read."""
    try:
        text = read_text(root, name)
    except Unfit as error:
        raise ProjectError((Problem(name, 0, 0, error.code, f"{error}."),)) from error
    return yaml.parse(text, name)


def read_template(root: Path, name: str, elsewhere: Templates) -> Template:
    """A pipeline compiled by KFP, or a pipeline job of Azure ML; JSON or YAML. Unfit with the next step if neither.

    `name`: a path, or the address of one that is had from `elsewhere`. Raises what that raises, too.
    """
    if address_of(name) is not None:
        copy = elsewhere.read(name)
        text = _decoded(copy.data, name)
        return _template(_parsed(text, name, as_json=text.lstrip().startswith("{")), pinned(name, copy.version))
    try:
        document = _document(root, name, MAX_TEMPLATE)
    except Unfit as error:
        if error.code != "missing_file":
            raise
        told = f"`{name}` is not there: compile the pipeline to this path"
        raise Unfit("missing_template", told) from error
    return _template(document, None)


def _template(document: yaml.Document, uri: str | None) -> Template:
    name = document.path
    if not isinstance(document.data, dict):
        raise Unfit("bad_template", f"`{name}` holds no mapping: compile the pipeline with kfp")
    try:
        takes = templates.read(document.data, unnamed=name)
    except ValueError as error:
        raise Unfit("bad_template", f"`{name}`: {error}") from error
    text = json.dumps(document.data, sort_keys=True, separators=(",", ":"))
    return Template(document, text, hashlib.sha256(text.encode()).hexdigest(), takes, uri)


def read_schema(root: Path, name: str) -> Json:
    """A JSON Schema. Unfit if it is none, or refers to another place than itself."""
    schema = read_json(root, name)
    if not isinstance(schema, dict | bool):
        raise Unfit("bad_schema", f"`{name}` holds no JSON Schema: write an object")
    try:
        schema_cost.rules(schema)  # first: everything else walks through all of it
        for reference in _references(schema):
            if not reference.startswith("#"):
                raise Unfit("remote_ref", f"`{name}` refers to `{reference}`: copy what it means below `$defs`")
        jsonschema_rs.validator_for(schema, retriever=_nothing, pattern_options=jsonschema_rs.RegexOptions())
    except schema_cost.TooCostlyError as error:
        raise Unfit(error.code, f"`{name}` could take too long: {error}") from error
    except (ValueError, jsonschema_rs.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise Unfit("bad_schema", f"`{name}` is no JSON Schema: {reason}") from error
    return schema


def read_json(root: Path, name: str) -> Json:
    """What a JSON or YAML file of the project holds."""
    return _document(root, name, MAX_TEXT).data


def _document(root: Path, name: str, limit: int) -> yaml.Document:
    return _parsed(read_text(root, name, limit), name, as_json=name.endswith(".json"))


def _parsed(text: str, name: str, *, as_json: bool) -> yaml.Document:
    """JSON has no places."""
    if not as_json:
        try:
            return yaml.parse(text, name)
        except ProjectError as error:
            raise Unfit(error.problems[0].code, f"`{name}` cannot be read: {error.problems[0]}") from error
    try:
        data: Json = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        told = f"{error.msg} in line {error.lineno}, column {error.colno}"
        raise Unfit("bad_json", f"`{name}` is not JSON: {told}") from error
    except (ValueError, RecursionError) as error:
        raise Unfit("bad_json", f"`{name}` is not JSON: {error}") from error
    if _levels(data) > yaml.MAX_DEPTH:
        raise Unfit("bad_json", f"`{name}` is nested deeper than {yaml.MAX_DEPTH}")
    return yaml.Document(name, data, {}, {})


def _levels(data: Json) -> int:
    """How deep it is nested, found without recursion."""
    level, depth = [data], 0
    while level:
        depth += 1
        level = [child for item in level for child in _children(item)]
    return depth


def _children(data: Json) -> Iterable[Json]:
    match data:
        case dict():
            return data.values()
        case list():
            return data
        case _:
            return ()


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _references(schema: Json) -> Iterator[str]:
    if isinstance(schema, dict):
        references = (schema.get(key) for key in ("$ref", "$dynamicRef", "$recursiveRef"))
        yield from (reference for reference in references if isinstance(reference, str))
    for child in _children(schema):
        yield from _references(child)


def _nothing(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched")
