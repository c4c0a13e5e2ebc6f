from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

import retrigger
from retrigger.deploy.wheel import Wheel, function_wheel

HERE = Path(retrigger.__file__).parent
AUTHORING = "retrigger.triggers.authoring"
INFO = f"retrigger-{metadata.version('retrigger')}+function.dist-info"


@pytest.fixture(scope="module")
def wheel() -> Wheel:
    return function_wheel({AUTHORING, "retrigger.functions.azure"})


@pytest.fixture(scope="module")
def contents(wheel: Wheel) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(wheel.data)) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def test_its_modules_are_those_of_the_packages_that_a_function_needs(contents: dict[str, bytes]) -> None:
    needed = [
        HERE / "__init__.py",
        HERE / "plugins.py",
        *(path for top in ("functions", "handlers", "triggers") for path in _modules(top)),
    ]
    left_out = (HERE / "triggers" / "authoring", HERE / "functions" / "azure")
    expected = {path for path in needed if not any(path.is_relative_to(folder) for folder in left_out)}
    found = {HERE.parent / name: data for name, data in contents.items() if not name.startswith(INFO)}
    assert found == {path: path.read_bytes() for path in expected}


def test_no_package_is_in_it_that_is_not_known_to_be_needed(contents: dict[str, bytes]) -> None:
    """Written down, so that a package that joins a cold start's download is seen in a review."""
    assert {str(PurePosixPath(name).parent) for name in contents} - {INFO} == {
        "retrigger",
        "retrigger/functions",
        "retrigger/functions/gcp",
        "retrigger/handlers",
        "retrigger/handlers/adapters",
        "retrigger/handlers/adapters/azureml",
        "retrigger/handlers/adapters/vertex",
        "retrigger/handlers/rollout",
        "retrigger/handlers/transport",
        "retrigger/handlers/validate",
        "retrigger/triggers",
        "retrigger/triggers/formats",
    }


def test_its_record_holds_the_hash_and_size_of_every_file(contents: dict[str, bytes]) -> None:
    rows = list(csv.reader(contents[f"{INFO}/RECORD"].decode().splitlines()))
    told = {name: (digest, size) for name, digest, size in rows}
    measured = {name: (f"sha256={_digest(data)}", str(len(data))) for name, data in contents.items()}
    assert told == {**measured, f"{INFO}/RECORD": ("", "")}


def test_it_says_what_it_is_and_what_it_requires(contents: dict[str, bytes], wheel: Wheel) -> None:
    told = metadata.PathDistribution(zipfile.Path(io.BytesIO(wheel.data), f"{INFO}/"))  # type: ignore[arg-type]
    required = {line.partition(";")[0] for line in metadata.requires("retrigger") or [] if "extra" not in line}
    assert wheel.name == f"{INFO.removesuffix('.dist-info')}-py3-none-any.whl"
    assert (told.name, f"retrigger-{told.version}.dist-info") == ("retrigger", INFO)
    assert any(line.startswith("pyjwt[crypto]") for line in required)
    assert set(told.requires or []) == required
    assert b"Tag: py3-none-any\n" in contents[f"{INFO}/WHEEL"]


def _modules(top: str) -> list[Path]:
    return [path for path in (HERE / top).rglob("*.py") if "__pycache__" not in path.parts]


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
