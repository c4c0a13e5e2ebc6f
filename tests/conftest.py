"""Options and fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--schedule", help="STYLE:SEED of one simulated schedule of the ledger's protocol")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Captured payloads, recordings and a real table that may lie beside the project."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not there")
    return SHARED.resolve()
