from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from retrigger.functions.azure import FOLDER
from retrigger.functions.gcp import SOURCE
from retrigger.local_emulator.hosts.azure_worker import AzureApp
from retrigger.local_emulator.hosts.functions_framework import Function, FunctionsHost
from tests.cases.entries import AzureHost, GoogleHost, Host
from tests.cases.world import Jobs, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cases.world import Cloud

Stage = tuple[World, Host]


@contextmanager
def google(world: World) -> Iterator[Host]:
    served = FunctionsHost(Function(source=SOURCE, target="main", environment=world.environ), world.folder / "log")
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


HOSTS = {"gcp": google, "azure": azure}


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Cloud], Stage]]:
    """One world and one host a cloud: scenarios keep apart by the names that they use."""
    with ExitStack() as stack:
        made: dict[Cloud, Stage] = {}

        def stage(cloud: Cloud) -> Stage:
            if cloud not in made:
                world = World.make(cloud, tmp_path_factory.mktemp(cloud), stack.enter_context(Jobs()))
                made[cloud] = world, stack.enter_context(HOSTS[cloud](world))
            return made[cloud]

        yield stage
