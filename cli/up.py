"""`retrigger up`: the emulator, in the foreground with a live log, or in the background."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from retrigger.cli.errors import FAILED, Failed, Usage
from retrigger.cli.local import FOLDER, compiled_of
from retrigger.cli.render import dim, examples, note, say, visible
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

    from retrigger.cli.watch import Watch
    from retrigger.local_emulator.app import Emulator
    from retrigger.local_emulator.claim import Process
    from retrigger.local_emulator.project import Options
    from retrigger.local_emulator.state import State

_LOOK_EVERY_S: Final = 0.5
_LOOK_AGAIN_S: Final = 0.05
_SILENCE_S: Final = 2.0
_READY_WITHIN_S: Final = 60.0


@click.command(
    epilog=examples(
        "retrigger up                        until Ctrl-C",
        "retrigger up --like prod            the stores, channels and platform of the environment `prod`",
        "retrigger up --detach               in the background; `retrigger down` stops it",
        'eval "$(retrigger up --print-env)"  and the real client libraries talk to it',
    )
)
@click.option("--project", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option(
    "--like",
    metavar="ENV",
    help="Take names, vars and templates from this environment. Default: the first on Google Cloud, or else the first.",
)
@click.option(
    "--state", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", envvar="RETRIGGER_STATE",
    help=f"Where it keeps everything. Default: {FOLDER} in the project.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: any that is free.")
@click.option("--tick", type=click.FloatRange(0.1, 3600), default=60.0, metavar="SECONDS", show_default=True)
@click.option(
    "--copies", type=click.IntRange(1, 10), default=1, help="Deliver every event so often.", show_default=True
)
@click.option("--detach", is_flag=True, help="Run in the background; return when it is ready.")
@click.option("--print-env", is_flag=True, help="Detach, unless it runs already, and print the variables to export.")
def up(
    *,
    project: Path,
    like: str | None,
    folder: Path | None,
    port: int,
    tick: float,
    copies: int,
    detach: bool,
    print_env: bool,
) -> None:
    """Start the emulator: stores, channels, a scheduler, Vertex AI and Azure ML, with the project's functions.

    Uploads and messages reach the functions as they would in the cloud, and pipelines really run. Everything is kept in
    one folder, which can be thrown away.
    """
    from retrigger.local_emulator.claim import running
    from retrigger.local_emulator.project import Options
    from retrigger.local_emulator.state import State
    from retrigger.triggers.authoring.project import find_root

    root = find_root(project)
    state = State.at(folder or root / FOLDER)
    options = Options(like=like, tick_every=timedelta(seconds=tick), copies=copies)
    if print_env or detach:
        process = (running(state) if print_env else None) or _in_background(root, state, port, options)
        if print_env:
            _print_environment(process, state)
        else:
            say(f"The emulator runs at {process.url}; `retrigger down --state {state.root}` stops it.")
        return
    _in_foreground(root, state, port, options)


def _in_foreground(root: Path, state: State, port: int, options: Options) -> None:
    from retrigger.local_emulator.claim import Claim, InUse
    from retrigger.local_emulator.hosts.functions_framework import HostFailed
    from retrigger.local_emulator.project import emulator_for
    from retrigger.triggers.authoring.project import load_project

    project = load_project(root)
    try:
        claim = Claim.take(state, port)
    except InUse as error:
        raise Usage(f"{error}.") from error
    try:
        emulator = emulator_for(project, claim, options)
    except BaseException:
        claim.release()
        raise
    signal.signal(signal.SIGTERM, _interrupt)
    note("starting …")
    try:
        emulator.start()
    except HostFailed as error:
        raise Failed(f"The functions do not start: {error}") from error
    try:
        _say_ready(emulator, state)
        _follow(emulator, state)
    except KeyboardInterrupt:
        note("stopping …")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave half of it running
        emulator.stop()


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _say_ready(emulator: Emulator, state: State) -> None:
    for reason in emulator.unready():
        note(f"Azure ML: {reason}.")
    say(f"The emulator runs at {click.style(emulator.url, bold=True)}; Ctrl-C stops it.")
    say(dim(f"Everything is kept in {visible(str(state.root))}; the functions' log is {visible(str(state.logs))}."))


def _follow(emulator: Emulator, state: State) -> None:
    """Print what happens until somebody asks for the end."""
    from retrigger.cli.watch import Watch
    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.wiring import records_of

    watch = Watch(emulator.attempts, Ledger(records_of(f"sqlite:{state.ledger}", {}, {}), "local"))
    over = threading.Event()
    log = threading.Thread(target=_log, args=(watch, over), name="live-log")
    log.start()
    try:
        emulator.wait()
    finally:
        over.set()
        log.join()


def _log(watch: Watch, over: threading.Event) -> None:
    while not over.wait(_LOOK_EVERY_S):
        try:
            for line in watch.news():
                say(line)
        except Unavailable as error:
            note(f"{error}; looking again")
        except BrokenPipeError:
            return  # nobody reads the log: the emulator runs on


def _in_background(root: Path, state: State, port: int, options: Options) -> Process:
    """Start the same command without `--detach`, in a session of its own, and wait until it is ready."""
    from retrigger.local_emulator.claim import running

    log = state.logs / "emulator.log"
    command = [sys.executable, "-m", "retrigger.cli", *_arguments(root, state, port, options)]
    # Not subprocess: this one is meant to outlive us, and nobody is to wait for it.
    child = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    began, said = time.monotonic(), False
    while (process := running(state)) is None or process.pid != child:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            click.echo(log.read_text(encoding="utf-8", errors="replace"), err=True, nl=False)
            click.get_current_context().exit(os.waitstatus_to_exitcode(status) or FAILED)
        waited = time.monotonic() - began
        if waited > _SILENCE_S and not said:
            said = True
            note("starting: the functions are being loaded …")
        if waited > _READY_WITHIN_S:
            os.kill(child, signal.SIGTERM)
            raise Failed(f"The emulator is not ready after {_READY_WITHIN_S:.0f} s: its log is {log}.")
        time.sleep(_LOOK_AGAIN_S)
    return process


def _arguments(root: Path, state: State, port: int, options: Options) -> list[str]:
    tick = options.tick_every.total_seconds()
    like = ["--like", options.like] if options.like is not None else []
    places = ["--project", str(root), "--state", str(state.root), "--port", str(port)]
    return ["up", *places, *like, "--tick", str(tick), "--copies", str(options.copies)]


def _print_environment(process: Process, state: State) -> None:
    """In a form that a shell can evaluate."""
    from retrigger.local_emulator.settings import environment_variables

    environment = compiled_of(state).environment
    account = next((store.account for store in environment.stores.values()), None)
    variables = environment_variables(process.url, process.blob_url, process.queue_url, environment.project, account)
    for name, value in variables.items():
        if value:  # an environment on Azure has no Google project: that of the shell stays
            say(f"export {name}={shlex.quote(value)}")
