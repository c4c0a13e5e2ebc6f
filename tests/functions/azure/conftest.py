from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.functions.azure import FOLDER
from retrigger.handlers import wiring
from tests.benchmarks.loopback import Platform
from tests.functions.azure.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    with Platform() as started:
        yield started


@pytest.fixture
def project(tmp_path: Path, platform: Platform) -> Project:
    return Project.make(tmp_path, platform.url)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Project], Any]]:
    """Import `function_app.py` as a worker does, for a project: the module, and an `app` of its own."""

    def loaded(project: Project) -> Any:
        monkeypatch.setenv("RETRIGGER_COMPILED", str(project.compiled))
        wiring.app.cache_clear()
        spec = importlib.util.spec_from_file_location("function_app", FOLDER / "function_app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield loaded
    wiring.app.cache_clear()
