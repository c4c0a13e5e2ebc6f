from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrigger.triggers import expression_text
from retrigger.triggers.authoring.scope import EVENT_VARIABLES
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.expressions import compile_expression, load_expression

if TYPE_CHECKING:
    from retrigger.triggers.event import Json, Payload

VARIABLES = {
    **EVENT_VARIABLES["object"],
    **EVENT_VARIABLES["message"],
    "match.dt": "string",
    "window.uris": "list",
    "window.since": "timestamp",
    "vars.table": "string",
}
NOW = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)
SCOPE: dict[str, object] = {
    "event": {
        "id": "e1",
        "time": NOW,
        "kind": "object",
        "object": {"name": "churn/a.csv", "size": 10, "complete": True},
        "message": {"json": {"id": "r1", "rows": [1, 2, 3], "deep": {"x": None}}, "attributes": {"k": "v"}},
    },
    "match": MappingProxyType({"dt": "2026-01-05"}),
    "window": {"uris": ("gs://b/1", "gs://b/2"), "since": NOW},
    "vars": {"table": "gs://b/full.csv"},
}


@pytest.mark.parametrize(
    ("source", "type_", "value"),
    [
        ("event.object.size > 5 && event.object.name.endsWith('.csv')", "bool", True),
        ("event.object.complete", "bool", True),
        ("event.object.size + 1", "int", 11),
        ("double(event.object.size) / 4.0", "double", 2.5),
        ("event.message.json.id", "dyn", "r1"),
        ("event.message.json['id']", "dyn", "r1"),
        ("event.message.json.rows[1] + 1", "int", 3),
        ("event.message.json.deep.x == null", "bool", True),
        ("event.message.attributes.k", "dyn", "v"),
        ("has(event.object.account)", "bool", False),
        ("has(event.object.size) && has(event.message.json.id)", "bool", True),
        ("has(event.message.json.none)", "bool", False),
        ("has(event.message.json.matches)", "bool", False),
        ("has(event.message.published) || event.message.json.rows.exists(row, row in [3, 4])", "bool", True),
        ("event.message.json.rows.filter(row, row > 1).map(row, row * 2)", "list", [4, 6]),
        ("size(window.uris)", "int", 2),
        ("window.uris", "list", ["gs://b/1", "gs://b/2"]),
        ("match.dt + '/' + vars.table", "string", "2026-01-05/gs://b/full.csv"),
        ("event.time", "timestamp", "2026-01-05T23:30:00Z"),
        ("event.time - duration('24h') < window.since", "bool", True),
        ("event.time.getFullYear()", "int", 2026),
        ("date(event.time, 'Europe/Paris')", "string", "2026-01-06"),
        ("date('2026-01-05T23:30:00+00:00', 'UTC')", "string", "2026-01-05"),
        ("duration('90.5s')", "duration", "90.5s"),
        ("b'ab'", "bytes", "YWI="),
        ("{'a': [event.time, 1u]}", "map", {"a": ["2026-01-05T23:30:00Z", 1]}),
        ("null", "null", None),
        ("event.object.name.matches('^churn/.*[.]csv$')", "bool", True),
        ("'event.nope ${{ has( // }' // event.nope", "string", "event.nope ${{ has( // }"),
        ("r'\\d' + '''it's'''", "string", "\\dit's"),
        ("event.object.size > 5\n  ? 'big'\n  : 'small'", "string", "big"),
    ],
)
def test_an_expression_has_a_static_type_and_a_plain_value(source: str, type_: str, value: Json) -> None:
    compiled = compile_expression(source, VARIABLES)
    assert (compiled.source, compiled.type, compiled.evaluate(SCOPE)) == (source, type_, value)
    assert load_expression(source).evaluate(SCOPE) == value


@pytest.mark.parametrize(
    ("source", "code", "column", "message"),
    [
        ("event.objct.size > 1", "unknown_name", 1, "event.objct.size here (did you mean `event.object.size`?)"),
        ("1 == 1 &&\n event.object.siz > 1", "unknown_name", 12, "did you mean `event.object.size`?"),
        ("event.schedule.name", "unknown_name", 1, "there is no name event.schedule.name here"),
        ("event", "unknown_name", 1, "there is no name event here"),
        ("event['id']", "unknown_name", 1, "there is no name event here"),
        ("has(event.object.siz)", "unknown_name", 5, "did you mean `event.object.size`?"),
        ("match.day", "unknown_name", 1, "there is no name match.day here"),
        ("event.object.name.startWith('a')", "unknown_name", 19, "startWith here (did you mean `startsWith`?)"),
        ("hAs(event.id)", "unknown_name", 1, "there is no function hAs"),
        ("date(event.time, 'Europe/Pariss')", "bad_timezone", 18, "there is no time zone 'Europe/Pariss'"),
        ("event.object.size + 'a'", "wrong_type", 19, "+ does not take (int, string): convert one with"),
        ("event.object.size > 1.5", "wrong_type", 19, "> does not take (int, double): convert one with"),
        ("event.object.name.suffix", "wrong_type", 18, "cannot be the operand of a select operation"),
        ("type(1)", "wrong_type", 1, "a type cannot be used as a value"),
        ("1 +", "syntax", 4, "mismatched input '<EOF>'"),
        ("", "syntax", 1, "mismatched input '<EOF>'"),
        ("event.id; drop", "syntax", 9, "unexpected ';'"),
        ("'open", "syntax", 1, "the text is not closed"),
        ("has(1)", "syntax", 5, "has() argument must be a field selection"),
        (".event.id", "syntax", 1, "a name cannot start with a dot"),
        ("google.protobuf.Any{}", "syntax", 20, "message types are not part of trigger expressions"),
        ("[1].map(event, event)", "syntax", 9, "a loop variable cannot be called event"),
        ("x" * 4097, "too_complex", 0, "longer than 4096 characters"),
        ("(" * 100 + "1" + ")" * 100, "too_complex", 0, "nested too deeply"),
        ("window.uris.map(a, window.uris.map(b, b))", "too_complex", 35, "a loop inside a loop"),
        ("window.uris.map(a, a + a)", "too_complex", 22, "+ inside a loop"),
        ("window.uris.map(a, [a, a])", "too_complex", 21, "a list built from names inside a loop"),
        ("window.uris.map(a, {'a': a})", "too_complex", 20, "a map built inside a loop"),
        ("window.uris" + ".filter(a, true)" * 5, "too_complex", 83, "more than 4 loops"),
        ("event.object.name.matches(match.dt)", "too_complex", 19, "matches() takes one text in quotes"),
        ("matches(event.object.name, '^a')", "too_complex", 1, "matches() takes one text in quotes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_when_it_is_compiled(source: str, code: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        compile_expression(source, VARIABLES)
    assert (refused.value.code, refused.value.column) == (code, column)
    assert message in str(refused.value)


def test_the_result_must_be_of_the_type_that_is_asked_for() -> None:
    assert compile_expression("event.message.json.ok", VARIABLES, result=("bool",)).type == "dyn"
    with pytest.raises(ExpressionError, match="this is a int, a bool is needed") as refused:
        compile_expression("event.object.size", VARIABLES, result=("bool",))
    assert refused.value.code == "wrong_type"


@pytest.mark.parametrize(
    ("source", "json", "code"),
    [
        ("event.message.json.none > 1", {}, "expression_failed"),
        ("event.message.json.a.b", {"a": 1}, "expression_failed"),
        ("event.message.json.a > 1", {"a": "text"}, "expression_failed"),
        ("event.message.json.a", {"a": 2**70}, "expression_failed"),
        ("event.message.json.a", {"a": "\ud800"}, "expression_failed"),
        ("1 / event.message.json.a", {"a": 0}, "expression_failed"),
        ("event.message.json.a / 0.0", {"a": 1.0}, "expression_failed"),
        ("9223372036854775807 + event.message.json.a", {"a": 1}, "expression_failed"),
        ("type(event.message.json.a)", {"a": 1}, "expression_failed"),
        ("{event.message.json.a: 1}", {"a": 1}, "expression_failed"),
        ("date(event.message.json.a, 'UTC')", {"a": "2026-01-05"}, "expression_failed"),
        ("date(event.message.json.a, 'UTC')", {"a": 5}, "expression_failed"),
        ("date(event.time, event.message.json.a)", {"a": "../etc"}, "expression_failed"),
        ("event.message.json.a", {"a": "x" * 5_000_000}, "too_large"),
        ("event.message.json.a.all(x, x > 0)", {"a": [1] * 1001}, "too_large"),
        ("event.message.json.a.all(x, x != '')", {"a": ["x" * 300_000]}, "too_large"),
    ],
)
def test_what_fails_on_an_event_is_an_error_with_a_code(source: str, json: Json, code: str) -> None:
    with pytest.raises(ExpressionError) as failed:
        load_expression(source).evaluate({"event": {"time": NOW, "message": {"json": json}}})
    assert failed.value.code == code


@pytest.mark.parametrize(
    "source",
    [
        "event.message.json",
        "event.message.json.number",
        "event.message.json.half",
        "int(event.message.json.secret)",
        "timestamp(event.message.json.secret)",
        "date(event.message.json.secret, 'UTC')",
        "date(event.time, event.message.json.secret)",
        "event.message.attributes[event.message.json.secret]",
    ],
)
def test_what_fails_shows_nothing_that_the_event_said(source: str) -> None:
    json = {"secret": "hunter2", "number": 2**70, "half": "hunter2\ud800"}
    with pytest.raises(ExpressionError) as failed:
        load_expression(source).evaluate({"event": {"time": NOW, "message": {"json": json, "attributes": {"a": "b"}}}})
    assert not any(shown in str(failed.value) for shown in ("hunter2", str(2**70)))


@pytest.mark.parametrize("source", ["has(event.schedule.name)", "has(event.message.json.a.b)", "has(vars.none)"])
def test_has_is_false_where_even_the_parents_are_absent(source: str) -> None:
    assert load_expression(source).evaluate({"event": {"object": {"size": 1}}}) is False


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ExpressionError, match=r"event.object.size: size is absent here: guard it with has\(…\)"):
        load_expression("event.object.size").evaluate({"event": {"object": {}}})


@pytest.mark.parametrize("depth", [60, 200, 100_000])
def test_depth_is_bounded(depth: int) -> None:
    nested: Json = 1
    for _ in range(depth):
        nested = [nested]
    scope = {"event": {"message": {"json": nested}}}
    if depth == 60:
        assert load_expression("event.message.json").evaluate(scope) == nested
        return
    with pytest.raises(ExpressionError) as failed:
        load_expression("event.message.json").evaluate(scope)
    assert failed.value.code == "too_large"
    while isinstance(nested, list):
        nested = nested.pop()  # so that freeing it does not recurse either


def test_only_what_is_read_counts_against_the_bounds() -> None:
    scope = {"event": {"message": {"json": {"big": ["x" * 10_000_000], "id": "r1"}}}}
    assert load_expression("event.message.json.id").evaluate(scope) == "r1"


def test_every_variable_of_an_event_can_be_read() -> None:
    payloads: dict[str, Payload] = {
        "object": Object(store="gcs", account=None, bucket="b", name="n", version="1", size=3, uri="gs://b/n"),
        "message": Message(channel="c", id="1", attributes={"k": "v"}, body=b"{}", json={}, published=NOW),
    }
    absent = {"event.subject", "event.object.account", "event.object.sequencer", "event.object.content_type"}
    absent |= {"event.object.checksum", "event.message.ordering_key"}
    for kind, payload in payloads.items():
        scope = {"event": Event(id="1", source="s", type="t", time=NOW, subject=None, payload=payload).scope()}
        for name, type_ in EVENT_VARIABLES[kind].items():
            compiled = compile_expression(f"has({name})", EVENT_VARIABLES[kind])
            assert (name, compiled.evaluate(scope)) == (name, name not in absent)
            assert compile_expression(name, EVENT_VARIABLES[kind]).type == type_


@given(st.text(max_size=60) | st.text(alphabet="event.object.size()[]{}'\"+-*/!&|?:,<>= 01has$", max_size=60))
@settings(max_examples=300)
def test_any_text_compiles_or_is_refused(source: str) -> None:
    try:
        compile_expression(source, VARIABLES)
    except ExpressionError as refused:
        assert refused.code in {"syntax", "unknown_name", "wrong_type", "too_complex"}  # noqa: PT017  # any text


# The runtime ends a text at its first NUL.
texts = st.text(st.characters(exclude_characters="\0"), max_size=5)
numbers = st.integers(-(2**64), 2**64) | st.floats(allow_nan=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts, lambda inner: st.lists(inner, max_size=2), max_leaves=3
)


@given(values, st.sampled_from(["event.message.json", "event.message.json.x", "event.message"]))
@settings(deadline=None)
def test_a_field_alone_is_what_the_runtime_says_it_is(value: Json, source: str) -> None:
    """In brackets it is no field alone, and goes the long way."""

    def told(text: str) -> object:
        try:
            return load_expression(text).evaluate({"event": {"message": {"json": value}}})
        except ExpressionError as error:
            return error.code

    assert repr(told(source)) == repr(told(f"({source})"))


def test_a_text_with_a_nul_is_whole_where_the_field_stands_alone() -> None:
    assert load_expression("event.message.json").evaluate({"event": {"message": {"json": "a\0b"}}}) == "a\0b"


def test_a_text_with_a_nul_is_refused_and_never_cut() -> None:
    expression = load_expression("match.a + match.b")
    assert expression.evaluate({"match": {"a": "x", "b": "y"}}) == "xy"
    with pytest.raises(ExpressionError, match="NUL"):
        expression.evaluate({"match": {"a": "x\0y", "b": "z"}})


@pytest.mark.parametrize("source", ["event", "event.message.json.a_1", "a.event", "vars.True", "x.matches"])
def test_names_with_dots_are_read_as_the_grammar_reads_them(source: str) -> None:
    assert expression_text.tokens(source) == tuple(expression_text._scan(source, 0))
    assert expression_text.template(f"a ${{{{ {source} }}}}b") == ("a ", expression_text.Hole(source, 6), "b")


@pytest.mark.parametrize("source", ["", ".", "a..b", "1.a", "a.1", "é", "a b"])
def test_anything_else_is_left_to_the_grammar(source: str) -> None:
    assert expression_text._dotted(source) == ()
