from __future__ import annotations

import pytest

from retrigger.cli.render import Node, metrics_line, table, tree, verdict_line, visible


def test_columns_are_as_wide_as_what_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    table(("NAME", "STATE", "LAST"), [("数据", "ok", "x"), ("a" * 90, "", "\x1b[31mred\n")])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "NAME" + " " * 86 + "  STATE  LAST",
        "数据" + " " * 86 + "  ok     x",
        "a" * 90 + "  -      \\x1b[31mred\\n",
    ]


def test_a_tree_shows_what_hangs_below_what(capsys: pytest.CaptureFixture[str]) -> None:
    tree(Node("root", [Node("a", [Node("a1")]), Node("b", [Node("b1"), Node("b2")])]))
    assert capsys.readouterr().out == "root\n├─ a\n│  └─ a1\n└─ b\n   ├─ b1\n   └─ b2\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 数据 🎉", "plain é 数据 🎉"),
        ("a\x00b\x7f\r", "a\\x00b\\x7f\\r"),
        ("\ud800", "\\ud800"),
        ("gpj.\u202etxt", "gpj.\\u202etxt"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_verdicts_and_metrics_fit_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    del capsys
    assert metrics_line({"b": 2.0, "a": 0.123456}) == "a=0.1235 b=2"
    verdict = {"stage": "gate", "says": "stop", "code": "x", "reason": "a\nb"}
    import click

    assert click.unstyle(verdict_line(verdict)) == "gate     stop x: a\\nb"
