from __future__ import annotations

import ast
import hashlib
import io
import subprocess
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from uv import find_uv_bin

from retrigger.deploy.bundle import Bundle, Cloud, bundle
from retrigger.functions.azure import FOLDER
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.errors import RetriggerError

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
CLOUDS: list[Cloud] = list(get_args(Cloud))
WHEEL = f"retrigger-{metadata.version('retrigger')}+function-py3-none-any.whl"


@pytest.fixture(scope="module")
def compiled() -> str:
    return compile_project(load_project(ROOT / "examples" / "churn"), "dev")


@pytest.fixture
def build(compiled: str) -> Callable[[Cloud], Bundle]:
    return lambda cloud: bundle(compiled, cloud)


def contents(built: Bundle) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(built.data)) as zipped:
        assert zipped.testzip() is None
        return {name: zipped.read(name) for name in zipped.namelist()}


def test_what_is_in_it(build: Callable[[Cloud], Bundle], compiled: str) -> None:
    gcp, azure = build("gcp"), build("azure")
    assert gcp.files == ("Procfile", "compiled.json", "main.py", "requirements.txt", WHEEL)
    assert azure.files == ("compiled.json", "function_app.py", "host.json", "requirements.txt", WHEEL)
    for built in (gcp, azure):
        assert tuple(contents(built)) == built.files
        assert contents(built)["compiled.json"].decode() == compiled
    assert contents(azure)["host.json"] == (FOLDER / "host.json").read_bytes()
    assert contents(gcp)["Procfile"] == b"web: python -m retrigger.functions.gcp.serve\n"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_its_name_is_that_of_its_bytes_and_they_are_the_same_every_time(
    build: Callable[[Cloud], Bundle], cloud: Cloud
) -> None:
    built = build(cloud)
    digest = hashlib.sha256(built.data).hexdigest()
    assert (built.sha256, built.file_name) == (digest, f"retrigger-dev-{digest[:12]}.zip")
    assert build(cloud) == built


def test_another_environment_or_cloud_has_another_hash(compiled: str) -> None:
    changed = compiled.replace("europe-west4", "europe-west1")
    hashes = {bundle(text, cloud).sha256 for text in (compiled, changed) for cloud in CLOUDS}
    assert len(hashes) == 4


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_requirement_is_pinned_and_has_hashes(build: Callable[[Cloud], Bundle], cloud: Cloud) -> None:
    files = contents(build(cloud))
    first, *others = files["requirements.txt"].decode().replace("\\\n", "").splitlines()
    assert first == f"./{WHEEL} --hash=sha256:{hashlib.sha256(files[WHEEL]).hexdigest()}"
    assert [line for line in others if "==" not in line.split()[0] or "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_pins_are_those_of_the_lock(cloud: Cloud) -> None:
    """`make pins` writes them anew."""
    what = ["--frozen", "--offline", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate"]
    command = [find_uv_bin(), "export", "--quiet", *what, "--extra", cloud]
    exported = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "deploy" / "pins" / f"{cloud}.txt").read_text(encoding="utf-8") == exported


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_entry_point_is_python(build: Callable[[Cloud], Bundle], cloud: Cloud) -> None:
    files = contents(build(cloud))
    [entry] = [name for name in files if name.endswith(".py")]
    imported = [node.module for node in ast.parse(files[entry]).body if isinstance(node, ast.ImportFrom)]
    assert imported == ["pathlib", f"retrigger.functions.{cloud}.{entry.removesuffix('.py')}"]


def test_what_is_no_compiled_project_is_refused() -> None:
    with pytest.raises(RetriggerError) as refused:
        bundle("{}", "gcp")
    assert refused.value.code == "compiled_format"
