from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from tests.cli.conftest import retrigger, uploaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    Write = Callable[..., Path]

PUSH = {
    "message": {"data": "eyJhIjogMX0=", "messageId": "m1", "publishTime": "2026-11-20T10:00:00Z"},
    "subscription": "projects/p/subscriptions/s",
}


def decoded(name: str) -> dict[str, Any]:
    uri = f"gs://acme-dev-landing/{name}"
    return {
        "id": "e1",
        "source": "//storage.googleapis.com/projects/_/buckets/acme-dev-landing",
        "type": "google.cloud.storage.object.v1.finalized",
        "time": "2026-11-20T10:00:00Z",
        "subject": f"objects/{name}",
        "kind": "object",
        "identity": json.dumps(["object", "gcs", None, "acme-dev-landing", name, "17", "created"]),
        "attempt": 1,
        "object": {
            "store": "gcs",
            "account": None,
            "bucket": "acme-dev-landing",
            "name": name,
            "version": "17",
            "sequencer": "17",
            "size": 100,
            "content_type": None,
            "checksum": None,
            "change": "created",
            "complete": True,
            "uri": uri,
        },
    }


def test_an_event_is_one_line_of_canonical_json(write: Write) -> None:
    called = retrigger("decode", write("e.json", uploaded("a b%2F.csv")), "--format", "json")
    assert (called.code, called.lines) == (0, [decoded("a b%2F.csv")])


def test_standard_input_is_read_where_nothing_is_named() -> None:
    for arguments in ((), ("-",)):
        called = retrigger("decode", "--format", "json", *arguments, stdin=json.dumps(uploaded("x.csv")))
        assert (called.code, called.lines) == (0, [decoded("x.csv")])


def test_a_folder_is_read_in_order_and_what_is_malformed_stands_in_its_place(write: Write) -> None:
    for number, content in (("2", "{"), ("1", uploaded("one.csv")), ("sub/3", uploaded("three.csv"))):
        folder = write(f"payloads/{number}.json", content).parents[0]
    called = retrigger("decode", folder.parent, "--format", "json")
    one, two, three = called.lines
    assert (called.code, one, three) == (1, decoded("one.csv"), decoded("three.csv"))
    assert two == {"error": {"code": "malformed_json", "message": two["error"]["message"]}}


def test_headers_and_a_route_tell_the_format(write: Write) -> None:
    event = uploaded("x.csv")
    headers = {f"ce-{name}": value for name, value in event.items() if name != "data"}
    body, told = (
        write("body.json", event["data"]),
        write("headers.json", {**headers, "Content-Type": "application/json"}),
    )
    called = retrigger("decode", body, "--headers", told, "--format", "json")
    assert (called.code, called.lines) == (0, [decoded("x.csv")])
    called = retrigger("decode", write("push.json", PUSH), "--route", "pubsub/requests", "--format", "json")
    assert called.code == 0
    assert base64.b64decode(called.lines[0]["message"]["body"]) == b'{"a": 1}'
    assert called.lines[0]["message"]["channel"] == "requests"
    assert retrigger("decode", write("push.json", PUSH), "--route", "nowhere").code == 1


def test_a_route_may_be_written_as_the_path_that_it_is(write: Write) -> None:
    push = write("push.json", PUSH)
    for route in ("pubsub/projects/p/topics/t", "/pubsub/projects/p/topics/t"):
        called = retrigger("decode", "--format", "json", "--route", route, push)
        assert [line["message"]["channel"] for line in called.lines] == ["projects/p/topics/t"]
    assert retrigger("decode", "--route", "/", push).code == 0


def test_people_see_what_is_there(write: Write) -> None:
    called = retrigger("decode", write("e.json", uploaded("x\x1b[2J.csv")))
    assert called.code == 0
    assert "gs://acme-dev-landing/x\\x1b[2J.csv" in called.out
    assert "None" not in called.out


def test_any_bytes_get_an_answer(tmp_path: Path) -> None:
    for number, body in enumerate((b"", b"\xff\xfe", b"[" * 100_000, b"null", b"x" * (10 * 1024 * 1024 + 1))):
        path = tmp_path / str(number)
        path.write_bytes(body)
        called = retrigger("decode", path, "--format", "json")
        assert (called.code, set(called.lines[0])) == (1, {"error"})


def test_headers_that_are_no_headers_are_a_usage_error(write: Write) -> None:
    body = write("e.json", uploaded("x.csv"))
    for content in ("{", "[]", '{"a": 1}', "[" * 100_000):
        assert retrigger("decode", body, "--headers", write("h.json", content)).code == 2


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    assert retrigger("decode", tmp_path / "nope").code == 2


def test_it_needs_no_project(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert retrigger("decode", write("e.json", uploaded("x.csv"))).code == 0
