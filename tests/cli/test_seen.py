from __future__ import annotations

from datetime import UTC, datetime

from retrigger.cli.seen import values_seen


def seen(json: object, rule: str = "event.message.json.x == 1") -> str:
    (value,) = values_seen(rule, {"event": {"message": {"json": json}}}).values()
    return value


def test_every_name_of_an_expression_has_its_value_or_is_absent() -> None:
    scope = {"event": {"time": datetime(2026, 11, 20, tzinfo=UTC), "object": {"name": "a.csv"}}, "vars": {"n": 3}}
    rule = 'has(event.object.size) && event.object.name.startsWith("b") && vars.n > 2 && event.time > match.day'
    assert values_seen(rule, scope) == {
        "event.object.size": "absent",
        "event.object.name": '"a.csv"',
        "vars.n": "3",
        "event.time": '"2026-11-20T00:00:00Z"',
        "match.day": "absent",
    }


def test_a_secret_is_withheld_by_its_name_and_by_its_form_however_deep() -> None:
    hidden = '"(withheld)"'
    assert seen({"password": "hunter2"}, "event.message.json.password != ''") == hidden
    assert seen({"x": "https://a.blob.core.windows.net/c/b?sv=1&sig=abc"}) == hidden
    assert seen({"x": {"a": [{"apiKey": "hunter2", "n": 1}]}}) == '{"a": [{"apiKey": "(withheld)", "n": 1}]}'
    assert seen({"api_token": "hunter2"}, "event.message['json'] != null") == '{"json": {"api_token": "(withheld)"}}'


def test_values_are_cut_whatever_their_size_and_depth() -> None:
    deep: object = 1
    for _ in range(10_000):
        deep = [deep]
    assert seen({"x": deep}) == '[[["…"]]]'
    assert seen({"x": "a" * 10**6}) == '"' + "a" * 79 + "…"
    assert len(seen({"x": {f"key{n}": "v" * 1000 for n in range(10**4)}})) == 81
    assert seen({"x": b"abc"}) == '"(3 bytes)"'
