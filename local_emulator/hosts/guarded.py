"""Run the real functions-framework, and end with the emulator that started it.

Executed as `python -m retrigger.local_emulator.hosts.guarded ARGUMENTS…` at the head of a process group of its own. Its
standard input is a pipe that the emulator never writes to: end of file means that the emulator is gone, even by kill
-9, and the whole group goes with it.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def end_with_parent() -> None:
    """From now on: no process of this group outlives the emulator."""
    threading.Thread(target=_wait_for_its_end, name="end-with-parent", daemon=True).start()


def _wait_for_its_end() -> None:
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    end_with_parent()
    sys.argv[0] = "functions-framework"
    runpy.run_module("functions_framework", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
