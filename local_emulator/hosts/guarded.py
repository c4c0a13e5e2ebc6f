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


def _end_with_parent() -> None:
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    sys.argv[0] = "functions-framework"
    runpy.run_module("functions_framework", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
