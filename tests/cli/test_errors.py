from __future__ import annotations

import errno
from pathlib import Path

import click
import pytest

from retrigger.cli.app import Commands, cli
from retrigger.cli.errors import Failed, No, Usage, told
from retrigger.triggers.authoring.problems import Problem, ProjectError
from retrigger.triggers.errors import ExpressionError, Malformed, Refused, RetriggerError, Unavailable, Unknown

MISTAKES = (Problem("a.yaml", 1, 2, "c", "wrong"), Problem("b.yaml", 3, 4, "c", "wrong, too"))


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (Malformed("no event", code="c"), No, "no event"),
        (ExpressionError("no value", code="c"), No, "no value"),
        (Refused("forbidden", code="c"), No, "forbidden"),
        (Unavailable("down", code="c"), Failed, "down"),
        (Unknown("lost", code="c"), Failed, "lost"),
        (RetriggerError("not yet", code="c"), Usage, "not yet"),
        (ModuleNotFoundError("x", name="uv"), Usage, "uv is not installed: pip install 'retrigger[emulator]'"),
        (PermissionError(errno.EACCES, "Permission denied", "f"), Usage, "f: Permission denied"),
        (
            ZeroDivisionError("by zero"),
            Failed,
            "this should not have happened (ZeroDivisionError: by zero); `retrigger --debug COMMAND` shows where",
        ),
        (
            ProjectError(MISTAKES),
            No,
            f"the project has problems; `retrigger check` shows the lines:\n{MISTAKES[0]}\n{MISTAKES[1]}",
        ),
    ],
)
def test_each_error_has_an_exit_code_and_one_message(error: Exception, kind: type[No], message: str) -> None:
    said = told(error)
    assert isinstance(said, click.ClickException)
    assert (type(said), said.message) == (kind, message)


@pytest.mark.parametrize("error", [click.UsageError("x"), click.exceptions.Exit(1), BrokenPipeError(errno.EPIPE, "x")])
def test_what_click_knows_is_left_to_click(error: Exception) -> None:
    assert told(error) is error


def test_exit_codes_are_those_that_are_documented() -> None:
    assert (No.exit_code, Usage.exit_code, Failed.exit_code) == (1, 2, 3)


def test_a_message_cannot_rewrite_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    No("there is no \x1b[2Jbucket\u202e").show()
    assert capsys.readouterr().err == "error: there is no \\x1b[2Jbucket\\u202e\n"


def test_debug_shows_the_traceback() -> None:
    group = Commands("it", params=cli.params, callback=lambda **_: None)
    group.get_command = lambda _ctx, _name: click.Command("x", callback=lambda: Path("/nope").read_text())  # type: ignore[method-assign]
    with pytest.raises(FileNotFoundError):
        group.main(["--debug", "x"], standalone_mode=False)
    with pytest.raises(Usage, match="/nope: No such file"):
        group.main(["x"], standalone_mode=False)
