from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from retrigger.deploy.bundle import bundle
from retrigger.deploy.plugins import plugin_wheels
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.compiled import load
from retrigger.triggers.errors import RetriggerError
from tests.projects import write_files
from tests.triggers.authoring.conftest import PROJECT, TEMPLATE, TRIGGER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plug_ins import Site

PINS = """\
urllib3==2.7.0 \\
    --hash=sha256:00
Typing_Extensions==4.16.0 ; python_full_version < '3.15' \\
    --hash=sha256:00
"""
CODE = "def weekday():\n    return lambda event, data: None\n\ndef parse(headers, body, now):\n    return []\n"
POINTS = {"validators": {"weekday": "acme_bundled:weekday"}, "formats": {"odd": "acme_bundled:parse"}}
MODULES = {"acme_bundled.py": CODE}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One that names two plug-ins of one package."""
    files = {
        "retrigger.yaml": f"{PROJECT}formats: {{webhook: odd}}\n",
        "pipelines/train.json": TEMPLATE,
        "triggers/churn.yaml": f"{TRIGGER}validate: {{with: [weekday]}}\n",
    }
    write_files(tmp_path / "project", files)
    return tmp_path / "project"


def compiled(project: Path) -> str:
    return compile_project(load_project(project), "dev")


def wheels(project: Path) -> list[str]:
    return [wheel.name for wheel in plugin_wheels(load(compiled(project)), PINS)]


def refusal(project: Path) -> str:
    with pytest.raises(RetriggerError) as error:
        wheels(project)
    assert error.value.code == "plugin_not_bundled"
    return str(error.value)


def test_a_package_goes_along_once(project: Path, site: Site) -> None:
    site.install("acme-bundled", POINTS, MODULES, version="1.2")
    assert wheels(project) == ["acme_bundled-1.2-py3-none-any.whl"]


def test_a_project_without_plug_ins_takes_none(project: Path) -> None:
    (project / "retrigger.yaml").write_text(PROJECT, encoding="utf-8")
    (project / "triggers/churn.yaml").write_text(TRIGGER, encoding="utf-8")
    assert wheels(project) == []


def test_what_it_needs_beyond_a_function_s_own_goes_along_too(project: Path, site: Site) -> None:
    needs = (
        "retrigger>=0.1",
        "URLLIB3 (>=2)",
        "typing.extensions",
        "acme-base[extra]~=1.0",
        "tomli ; python_version < '3'",
    )
    site.install("acme-bundled", POINTS, MODULES, requires=needs)
    site.install("acme-base", {}, {"acme_base.py": ""}, requires=("acme-bundled", "acme-more; extra == 'all'"))
    assert wheels(project) == ["acme_base-1.0-py3-none-any.whl", "acme_bundled-1.0-py3-none-any.whl"]


def test_what_it_needs_and_is_not_installed_is_told(project: Path, site: Site) -> None:
    site.install("acme-bundled", POINTS, MODULES, requires=("acme-base",))
    assert refusal(project) == (
        "The package acme-base, which acme-bundled needs, is not installed here: install it beside retrigger, then "
        "bundle again."
    )


def test_an_editable_package_is_refused_with_what_to_do(project: Path, site: Site) -> None:
    site.install("acme-bundled", POINTS, MODULES, editable=True)
    assert refusal(project) == (
        "The package acme-bundled, which the plug-in weekday needs, is not installed from a wheel, as an editable one "
        "is not: install it as `pip install DIR` does, then bundle again."
    )


def test_a_package_for_one_platform_is_refused(project: Path, site: Site) -> None:
    site.install("acme-bundled", POINTS, MODULES, tag="cp312-cp312-manylinux_2_28_x86_64")
    assert "is built for one platform, which the function may not have" in refusal(project)


def test_the_same_package_gives_the_same_bytes(project: Path, site: Site) -> None:
    site.install("acme-bundled", POINTS, MODULES)
    first = bundle(compiled(project), "gcp")
    site.install("acme-bundled", POINTS, MODULES)
    assert bundle(compiled(project), "gcp") == first


def test_the_bundle_s_requirements_install_it_by_its_hash(project: Path, site: Site, tmp_path: Path) -> None:
    """With pip's own rule: one hash in the file, and everything must have one."""
    site.install("acme-bundled", POINTS, {**MODULES, "acme_inner/__init__.py": ""}, version="1.2")
    built = bundle(compiled(project), "gcp")
    folder, target = tmp_path / "unpacked", tmp_path / "target"
    with zipfile.ZipFile(io.BytesIO(built.data)) as zipped:
        zipped.extractall(folder)
    own = [line for line in (folder / "requirements.txt").read_text().splitlines() if line.startswith("./acme")]
    (folder / "own.txt").write_text("\n".join(own))
    install = [find_uv_bin(), "pip", "install", "--quiet", "--offline", "--no-deps", "--require-hashes"]
    subprocess.run(
        [*install, "--python", sys.executable, "--target", str(target), "-r", "own.txt"], cwd=folder, check=True
    )
    assert (target / "acme_bundled.py").read_text(encoding="utf-8") == CODE
    with zipfile.ZipFile(folder / "acme_bundled-1.2-py3-none-any.whl") as wheel:
        assert [name.removeprefix("acme_bundled-1.2.dist-info/") for name in wheel.namelist()] == [
            *("METADATA", "RECORD", "WHEEL", "entry_points.txt", "acme_bundled.py", "acme_inner/__init__.py"),
        ]
