"""The emulator of a state folder, and its ledger: what the commands that use them share."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click
import urllib3

from retrigger.cli.errors import Failed, No, Usage
from retrigger.handlers.jobs import RolloutJob
from retrigger.handlers.ledger import Ledger
from retrigger.handlers.wiring import cloud_of, records_of
from retrigger.local_emulator.claim import running
from retrigger.local_emulator.control import ROOT
from retrigger.local_emulator.state import State
from retrigger.triggers.authoring.wording import closest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from retrigger.handlers.journal import Journal, RunView
    from retrigger.handlers.ports import Launcher
    from retrigger.local_emulator.claim import Process
    from retrigger.triggers.compiled import Compiled
    from retrigger.triggers.spec import Trigger

    Command = Callable[..., Any]

FOLDER: Final = ".retrigger"
_WAIT_S: Final = 30.0
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def state_option(command: Command) -> Command:
    """Which emulator, for commands that work on one."""
    return click.option(
        "--state",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        envvar="RETRIGGER_STATE",
        help=f"The emulator's state folder. Default: the nearest {FOLDER} here or above.",
    )(command)


def ledger_option(command: Command) -> Command:
    return click.option(
        "--ledger",
        metavar="ADDRESS",
        help="Another ledger than the emulator's: sqlite:PATH, gs://BUCKET or https://ACCOUNT.blob…/CONTAINER.",
    )(command)


def state_of(folder: Path | None) -> State:
    """The state folder that was named, or the nearest one. Nothing is created. Raises Usage if there is none."""
    if folder is not None:
        if not folder.is_dir():
            raise Usage(f"There is no state folder {folder}: `retrigger up --state {folder}` makes it.")
        return State(folder.resolve())
    here = Path.cwd()
    for above in (here, *here.parents):
        if (above / FOLDER).is_dir():
            return State(above / FOLDER)
    raise Usage(
        f"There is no {FOLDER} in {here} or above it: run `retrigger up` in a project, or name it with --state."
    )


def running_on(state: State) -> Process:
    """Raises Failed if no emulator runs there."""
    process = running(state)
    if process is None:
        raise Failed(f"No emulator runs on {state.root}: start it with `retrigger up`.")
    return process


def ledger_at(folder: Path | None, address: str | None) -> Ledger:
    """The ledger at `address` (see records_of), or that of the state folder; the emulator need not run."""
    address = address or f"sqlite:{state_of(folder).ledger}"
    kind, _, path = address.partition(":")
    if kind == "sqlite" and not Path(path).is_file():
        raise Usage(f"There is no ledger at {path}: it begins with the first `retrigger up`.")
    return Ledger(records_of(address, os.environ, {}), "local")


def compiled_of(state: State) -> Compiled:
    """What the emulator's functions load, or loaded last. Raises Usage if there never was anything."""
    from retrigger.triggers.compiled import load

    if not state.compiled.is_file():
        raise Usage(f"Nothing was compiled for {state.root} yet: start the emulator with `retrigger up`.")
    return load(state.compiled.read_text(encoding="utf-8"))


def compiled_option(command: Command) -> Command:
    """The project that a named ledger belongs to; the emulator's is known."""
    return click.option(
        "--compiled",
        "file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="What `retrigger compile` wrote, for a ledger that is named with --ledger.",
    )(command)


def project_of(folder: Path | None, ledger: str | None, file: Path | None) -> Compiled:
    """The project whose triggers are meant. Raises Usage where a ledger is named, and its project is not."""
    from retrigger.handlers.wiring import compiled_at

    if file is not None:
        return compiled_at(file)
    if ledger is not None:
        raise Usage(
            f"The triggers of {ledger} are not known: name what `retrigger compile` wrote with --compiled FILE."
        )
    return compiled_of(state_of(folder))


def known_trigger(compiled: Compiled, name: str) -> Trigger:
    """Raises No, with what is near, if the project has no such trigger."""
    trigger = compiled.trigger(name)
    if trigger is None:
        known = ", ".join(f"`{each}`" for each in compiled.names) or "none"
        raise No(f"There is no trigger `{name}`{closest(name, compiled.names)}: the project has {known}.")
    return trigger


def launcher_of_emulator(state: State) -> Launcher:
    """The platform that the emulator's functions launch on."""
    launcher, _ = cloud_of(compiled_of(state).environment, os.environ)
    return launcher


def with_live_tasks(state: State, journal: Journal, runs: Iterable[RunView]) -> list[RunView]:
    """With the tasks of what runs now, if the emulator is up to be asked. States stay those that the ledger knows."""
    if running(state) is None:
        return list(runs)
    launcher = launcher_of_emulator(state)
    return [_live(launcher, journal, run) if run.phase == "launched" else run for run in runs]


def _live(launcher: Launcher, journal: Journal, run: RunView) -> RunView:
    job = journal.job(run.id)
    if isinstance(job, RolloutJob):  # no job of the platform: `retrigger rollouts` says how far it is
        return run
    status = launcher.status(job)
    return replace(run, tasks=status.tasks, metrics=status.metrics)


@dataclass(frozen=True, slots=True)
class Remote:
    """A running emulator, over HTTP on the loopback interface: no proxy has a say. Blob is at `blob_url`."""

    url: str
    blob_url: str

    @classmethod
    def of(cls, state: State) -> Remote:
        return cls.at(running_on(state))

    @classmethod
    def at(cls, process: Process) -> Remote:
        return cls(process.url, process.blob_url)

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The control API. Raises No with its message where it refuses."""
        return self.call(method, ROOT + path, None if body is None else json.dumps(body).encode())

    def call(
        self, method: str, path: str, body: bytes | IO[bytes] | None = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """Raises No where the emulator refuses, Failed where it does not answer."""
        headers = {} if body is None else {"Content-Type": content_type}
        answer = _asked(method, self.url + path, body, headers)
        value = _json(answer.data)
        if answer.status >= 400:
            raise No(str(value.get("error", {}).get("message") or f"The emulator answered {answer.status}."))
        return value

    def blob(
        self, method: str, path: str, body: IO[bytes] | None = None, headers: Mapping[str, str] = _NOTHING
    ) -> urllib3.BaseHTTPResponse:
        """Blob's REST API; `path` begins with the account. Raises as `call`."""
        answer = _asked(method, self.blob_url + path, body, headers)
        if answer.status >= 400:
            raise No(f"{answer.headers.get('x-ms-error-code', 'The emulator')} ({answer.status}).")
        return answer


def _asked(
    method: str, url: str, body: bytes | IO[bytes] | None, headers: Mapping[str, str]
) -> urllib3.BaseHTTPResponse:
    try:
        return urllib3.request(method, url, body=body, headers=headers, retries=False, timeout=_WAIT_S)
    except urllib3.exceptions.HTTPError as error:
        place = urlsplit(url).netloc
        raise Failed(f"The emulator at {place} does not answer: see `retrigger status`.") from error


def _json(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
