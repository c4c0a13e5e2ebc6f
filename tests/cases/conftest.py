from __future__ import annotations

import sys
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from retrigger.functions.azure import FOLDER
from retrigger.functions.gcp import SOURCE
from retrigger.local_emulator.hosts.azure_worker import AzureApp
from retrigger.local_emulator.hosts.functions_framework import Function, FunctionsHost
from tests.cases.entries import AzureHost, GoogleHost, Host
from tests.cases.world import Jobs, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from retrigger.local_emulator.hosts.functions_framework import Hosted
    from tests.cases.entries import Server
    from tests.cases.world import Cloud

Stage = tuple[World, Host]


# Ends with its standard input, as a FunctionsHost asks for.
ALONE = """
from retrigger.local_emulator.hosts.guarded import end_with_parent
end_with_parent()
from retrigger.functions.gcp.serve import main
main()
"""


@dataclass(frozen=True)
class Service:
    """What a Cloud Run service runs."""

    environment: Mapping[str, str]
    source: Path = SOURCE

    def command(self, port: int) -> list[str]:
        return ["env", "HOST=127.0.0.1", f"PORT={port}", sys.executable, "-c", ALONE]


def google(world: World) -> AbstractContextManager[Host]:
    return _google(Function(source=SOURCE, target="main", environment=world.environ), world)


def service(world: World) -> AbstractContextManager[Host]:
    return _google(Service(world.environ), world)


@contextmanager
def _google(function: Hosted, world: World) -> Iterator[Host]:
    served = FunctionsHost(function, world.folder / "log")
    served.start()
    try:
        served.wait_ready(30)
        yield GoogleHost(served.port)
    finally:
        served.stop()


@contextmanager
def azure(world: World) -> Iterator[Host]:
    pytest.importorskip("azure_functions_runtime", reason="Microsoft's worker library is not installed")
    served = FunctionsHost(AzureApp(folder=FOLDER, environment=world.environ), world.folder / "log")
    served.start()
    try:
        served.wait_ready(30)
        yield AzureHost(served.port)
    finally:
        served.stop()


HOSTS: Mapping[Server, tuple[Cloud, Callable[[World], AbstractContextManager[Host]]]] = {
    "functions-framework": ("gcp", google),
    "gunicorn": ("gcp", service),
    "worker library": ("azure", azure),
}


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Server], Stage]]:
    """One world and one host a server: scenarios keep apart by the names that they use."""
    with ExitStack() as stack:
        made: dict[Server, Stage] = {}

        def stage(server: Server) -> Stage:
            if server not in made:
                cloud, host = HOSTS[server]
                world = World.make(cloud, tmp_path_factory.mktemp(cloud), stack.enter_context(Jobs()))
                made[server] = world, stack.enter_context(host(world))
            return made[server]

        yield stage
