"""An Azure Functions app under Microsoft's worker library: what `func start` would serve, without its host.

`AzureApp` is for a FunctionsHost. Executed as `python -m retrigger.local_emulator.hosts.azure_worker FOLDER PORT` it
loads the app, listens on that loopback port (azure_faces.py says to what), and ends with the emulator that started it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureApp:
    """A folder with `function_app.py` and `host.json`."""

    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    @property
    def source(self) -> Path:
        return self.folder / "function_app.py"

    def command(self, port: int) -> list[str]:
        return [sys.executable, "-m", "retrigger.local_emulator.hosts.azure_worker", str(self.folder), str(port)]


def main(folder: Path, port: int) -> None:
    from retrigger.local_emulator.hosts import azure_library
    from retrigger.local_emulator.hosts.azure_deliveries import QueueRules
    from retrigger.local_emulator.hosts.azure_faces import Faces
    from retrigger.local_emulator.hosts.guarded import end_with_parent
    from retrigger.local_emulator.http import Server

    end_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        functions = asyncio.run(azure_library.load(folder))
        rules = QueueRules.read(folder)
    except (azure_library.CannotLoad, OSError, ValueError) as error:
        raise SystemExit(f"{folder} cannot be served: {error}") from error
    server = Server(Faces(functions, rules).routes(), port)
    server.start()
    stopping.wait()
    server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
