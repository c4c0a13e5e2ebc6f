from __future__ import annotations

import pytest

from retrigger.triggers.authoring import scope
from retrigger.triggers.environment import Environment
from retrigger.triggers.spec import MessageSource, ObjectSource, WindowRule

DEV = Environment(
    name="dev",
    cloud="gcp",
    project="acme-dev",
    location="europe-west4",
    ledger="gs://acme-dev-retrigger",
    vars={"text": "a", "whole": 1, "real": 0.5, "flag": True, "list": [], "map": {}, "null": None},
)
VARS = {
    "vars.text": "string",
    "vars.whole": "int",
    "vars.real": "double",
    "vars.flag": "bool",
    "vars.list": "list",
    "vars.map": "map",
    "vars.null": "dyn",
}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (None, set()),
        ("match.a", {"a"}),
        ("[match.a, match.b]", {"a", "b"}),
        ("match.a + '/' + match.b", {"a", "b"}),
        ('match.a + "-/-" + match.b', {"a", "b"}),
        ("match.a + match.b", set()),  # "1" + "23" is "12" + "3"
        ("match.a + '-' + match.b", set()),
        ("match.a.size()", set()),
        ("event.object.bucket", set()),
        ("'match.a'", set()),
    ],
)
def test_a_key_fixes_the_captures_that_can_be_told_from_it(key: str | None, expected: set[str]) -> None:
    assert scope.fixed(key) == expected


def test_a_filter_sees_the_event_its_captures_and_the_vars() -> None:
    names = scope.of_event(ObjectSource(store="landing", match="{dt}/*.csv"), DEV)
    assert {"event.id", "event.object.size", "match.dt", *VARS} <= set(names)
    assert not {name for name in names if name.startswith(("window.", "event.message."))}


def test_a_message_has_no_captures() -> None:
    names = scope.of_event(MessageSource(channel="requests"), DEV)
    assert "event.message.json" in names
    assert not {name for name in names if name.startswith("match.")}


def test_a_windowed_launch_sees_what_is_the_same_for_all_members() -> None:
    source = ObjectSource(store="landing", match="{dt}/{part}.csv")
    names = scope.of_window(WindowRule(key="match.dt"), source, DEV)
    assert names == {"match.dt": "string", **scope.WINDOW_VARIABLES, **VARS}


def test_a_capture_that_the_glob_lacks_is_not_fixed() -> None:
    source = ObjectSource(store="landing", match="{dt}/*.csv")
    assert scope.of_key(WindowRule(key="match.day"), source, DEV) == VARS


def test_the_key_of_a_marked_window_sees_what_the_marker_has() -> None:
    assert scope.of_marker("{dt}/_SUCCESS", DEV) == {"match.dt": "string", **VARS}
