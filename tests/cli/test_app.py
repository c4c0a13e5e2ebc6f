from __future__ import annotations

import subprocess
import sys

import pytest

from retrigger.cli.app import COMMANDS
from tests.cli.conftest import retrigger

NAMES = [name for section in COMMANDS.values() for name in section]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_lists_every_command_and_imports_none() -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from retrigger.cli.app import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "heavy = {'pydantic', 'yaml', 'rich', 'google', 'kfp', 'starlette', 'urllib3', 'retrigger.handlers'}\n"
        "imported = heavy & (set(sys.modules) - before)\n"
        "sys.exit(f'imported {imported}' if imported else 0)\n"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")
    for section in COMMANDS.values():
        for name, entry in section.items():
            assert f"  {name} " in done.stdout
            assert entry.line in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_command_teaches_with_an_example(name: str) -> None:
    called = retrigger(name, "--help")
    assert called.code == 0
    assert f"  Examples:\n    retrigger {name}" in called.out


def test_a_command_that_does_not_exist_is_a_usage_error() -> None:
    assert retrigger("frobnicate").code == 2


def test_without_click_it_says_what_to_install() -> None:
    done = python("import sys; sys.modules['click'] = None; import retrigger.cli; retrigger.cli.main()")
    said = "error: the command line needs click: pip install 'retrigger[emulator]'\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_without_an_extra_it_says_what_to_install() -> None:
    code = "sys.argv = ['retrigger', 'check']; import retrigger.cli; retrigger.cli.main()"
    done = python(f"import sys; sys.modules['pydantic'] = None; {code}")
    assert (done.returncode, done.stderr) == (
        2,
        "error: pydantic is not installed: pip install 'retrigger[emulator]'\n",
    )
