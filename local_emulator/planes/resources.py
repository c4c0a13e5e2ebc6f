"""The model of a control plane: named resources with etags, listed by filter and page, durable in one SQLite file."""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Body = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    name TEXT PRIMARY KEY, collection TEXT NOT NULL, etag TEXT NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_collection ON resources (collection, name);
"""
_CLAUSE = re.compile(r"""([A-Za-z][\w.\-]*)\s*(!=|=|:)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"']+)""")
_AND = re.compile(r"\s+(?:AND|and)\s+|\s*$")


class ResourceError(Exception):
    """Root of what a caller can do wrong: AlreadyExists, NotFound, Conflict, Precondition, Invalid, Exhausted."""


class AlreadyExists(ResourceError):
    pass


class NotFound(ResourceError):
    pass


class Conflict(ResourceError):
    pass


class Precondition(ResourceError):
    pass


class Invalid(ResourceError):
    pass


class Exhausted(ResourceError):
    pass


@dataclass(frozen=True, slots=True)
class Resource:
    """`name` is the full resource name; `etag` changes with every write of `body`."""

    name: str
    etag: str
    body: Body


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `next_token` is "" on the last."""

    items: tuple[Body, ...]
    next_token: str


class Resources:
    """Safe for threads of one process. What a method returns from is on disk."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        self._database.close()

    def create(self, name: str, body: Mapping[str, Any]) -> Resource:
        """Errors: AlreadyExists."""
        made = Resource(name, _etag(), dict(body))
        row = (name, name.rsplit("/", 1)[0], made.etag, json.dumps(made.body))
        try:
            with self._lock:
                self._database.execute("INSERT INTO resources VALUES (?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise AlreadyExists(f"{name} already exists.") from error
        return made

    def get(self, name: str) -> Resource:
        """Errors: NotFound."""
        with self._lock:
            row = self._database.execute("SELECT name, etag, body FROM resources WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise NotFound(f"{name} is not found.")
        return Resource(row[0], row[1], json.loads(row[2]))

    def update(self, name: str, body: Mapping[str, Any], etag: str) -> Resource:
        """Replace the body that was read with `etag`. Errors: NotFound; Conflict if it changed since."""
        made = Resource(name, _etag(), dict(body))
        with self._lock:
            written = self._database.execute(
                "UPDATE resources SET etag = ?, body = ? WHERE name = ? AND etag = ?",
                (made.etag, json.dumps(made.body), name, etag),
            )
        if written.rowcount == 0:
            self.get(name)
            raise Conflict(f"{name} changed since it was read: etag {etag} is not the present one.")
        return made

    def delete(self, name: str) -> None:
        """Errors: NotFound."""
        with self._lock:
            deleted = self._database.execute("DELETE FROM resources WHERE name = ?", (name,))
        if deleted.rowcount == 0:
            raise NotFound(f"{name} is not found.")

    def all(self, collection: str) -> list[Resource]:
        """Return every resource of a collection (`projects/…/pipelineJobs`), by name."""
        query = "SELECT name, etag, body FROM resources WHERE collection = ? ORDER BY name"
        with self._lock:
            rows = self._database.execute(query, (collection,)).fetchall()
        return [Resource(name, etag, json.loads(body)) for name, etag, body in rows]

    def collections(self, suffix: str) -> list[str]:
        """Return the collections of one kind, over all projects and locations."""
        query = "SELECT DISTINCT collection FROM resources WHERE substr(collection, -?) = ?"
        with self._lock:
            rows = self._database.execute(query, (len(suffix) + 1, f"/{suffix}")).fetchall()
        return [collection for (collection,) in rows]


def paginate(items: Sequence[Body], *, filter_: str, order_by: str, page_size: int, page_token: str) -> Page:
    """Filter, order and cut a list of shown resources.

    `filter_` is `field="value"` clauses joined by AND, with `=`, `!=` and `:` (has), fields in snake or camel case,
    labels as `labels.key`. `order_by` is a field, with ` desc` to turn it. Errors: Invalid.
    """
    field, _, direction = order_by.strip().partition(" ")
    if direction.strip() not in ("", "asc", "desc"):
        raise Invalid(f"Invalid order_by {order_by!r}: write a field, then desc or nothing.")
    down = direction.strip() == "desc"
    kept = matching(items, filter_)
    kept.sort(key=lambda item: _position(item, field), reverse=down)
    if page_token:
        last = _read_token(page_token)
        kept = [item for item in kept if (_position(item, field) < last if down else _position(item, field) > last)]
    page = kept[:page_size]
    token = _write_token(_position(page[-1], field)) if len(kept) > page_size else ""
    return Page(tuple(page), token)


def matching(items: Sequence[Body], filter_: str) -> list[Body]:
    """Those that a filter lets through; it is described at `paginate`. Errors: Invalid."""
    clauses = _clauses(filter_)
    return [item for item in items if all(_fits(item, *clause) for clause in clauses)]


def _clauses(filter_: str) -> list[tuple[str, str, str]]:
    clauses, at = [], 0
    text = filter_.strip()
    while at < len(text):
        clause = _CLAUSE.match(text, at)
        joint = _AND.match(text, clause.end()) if clause else None
        if clause is None or joint is None:
            raise Invalid(f'Invalid filter at column {at + 1}: write field="value" clauses joined by AND.')
        value = clause[3]
        if value[0] in "\"'":
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        clauses.append((clause[1], clause[2], value))
        at = joint.end()
    return clauses


def _fits(item: Body, path: str, operator: str, value: str) -> bool:
    found = _lookup(item, path)
    if operator == ":":
        return found is not None and (value == "*" or value in (found if isinstance(found, dict | list) else [found]))
    return (_as_text(found) == value) is (operator == "=")


def _lookup(item: Body, path: str) -> Any:
    first, _, rest = path.partition(".")
    found = item.get(camel(first))
    if rest and isinstance(found, dict):
        return found.get(rest) if first == "labels" else _lookup(found, rest)
    return None if rest else found


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def camel(name: str) -> str:
    """display_name -> displayName."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def _position(item: Body, field: str) -> tuple[str, str]:
    return (str(_lookup(item, field) or ""), str(item.get("name", ""))) if field else ("", str(item.get("name", "")))


def _write_token(position: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _read_token(token: str) -> tuple[str, str]:
    try:
        value, name = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise Invalid("Invalid page_token: pass the next_page_token of the page before.") from error
    return str(value), str(name)


def _etag() -> str:
    return secrets.token_hex(8)
