"""Options and fixtures that all tests share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from retrigger.handlers.validate import validators
from tests.plug_ins import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"


def _refuse_all_but_loopback(event: str, arguments: tuple[object, ...]) -> None:
    """No test speaks to a network: a connection anywhere else is an error at the place that makes it."""
    if event != "socket.connect":
        return
    address = arguments[1]
    host = address[0] if isinstance(address, tuple) else ""
    if isinstance(host, str) and host and not (host.startswith("127.") or host in {"::1", "localhost"}):
        raise AssertionError(f"a test connects to {address}")


# No test asserts a time: a machine that does other work besides is no mistake of ours.
settings.register_profile("retrigger", deadline=None)
settings.load_profile("retrigger")

sys.addaudithook(_refuse_all_but_loopback)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--schedule", help="STYLE:SEED of one simulated schedule of the ledger's protocol")
    parser.addoption("--seeds", type=int, default=120, help="schedules of each style that the simulation plays")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Where a test installs packages with plug-ins."""
    yield Site(tmp_path / "site", monkeypatch)
    validators._made.cache_clear()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Captured payloads, recordings and a real table that may lie beside the project."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not there")
    return SHARED.resolve()
