from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers import compiled
from retrigger.triggers.authoring.compile import check, compile_project, local_environment
from retrigger.triggers.authoring.files import Unfit
from retrigger.triggers.authoring.plugins import Group, resolve
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.spec import PlugIn
from tests.triggers.authoring.conftest import PROJECT, TRIGGER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from retrigger.triggers.event import Json
    from tests.plug_ins import Site

    Write = Callable[[Mapping[str, str]], Path]

CODE = """
NUMBER = 5

def validator(least=0):
    if least < 0:
        raise ValueError("least is negative")
    return lambda event, data: None

def makes_nothing():
    return None

def judges_events_alone():
    return lambda event: None

def parse(headers, body, now): ...

class Launcher:
    def __init__(self, environment): ...
    def request(self, job, template): ...
    def submit(self, job, template): ...
    def status(self, job): ...
    def cancel(self, job): ...

class NoCancel:
    def __init__(self, environment): ...
    request = submit = status = lambda self: None

class Namespace:
    parse = staticmethod(parse)
"""


def refusal(group: Group, name: str, options: dict[str, Json] | None = None) -> tuple[str, str]:
    with pytest.raises(Unfit) as error:
        resolve(group, name, options)
    return error.value.code, str(error.value)


def test_a_name_becomes_the_path_and_the_package_behind_it(site: Site) -> None:
    points = {
        "validators": {"least": "acme:validator"},
        "launchers": {"own": "acme:Launcher"},
        "formats": {"odd": "acme:Namespace.parse"},
    }
    site.install("acme-plugs", points, {"acme.py": CODE}, version="1.2")
    assert [resolve("validators", "least", {"least": 1}), resolve("launchers", "own"), resolve("formats", "odd")] == [
        PlugIn(name="least", target="acme:validator", package="acme-plugs==1.2", options={"least": 1}),
        PlugIn(name="own", target="acme:Launcher", package="acme-plugs==1.2"),
        PlugIn(name="odd", target="acme:Namespace.parse", package="acme-plugs==1.2"),
    ]


def test_an_unknown_name_is_told_with_the_one_that_is_near(site: Site) -> None:
    site.install("acme-plugs", {"validators": {"weekday": "acme:validator"}}, {"acme.py": CODE})
    assert refusal("validators", "weekdya") == (
        "unknown_plugin",
        "No installed package offers the validator `weekdya` (did you mean `weekday`?): install the one that does",
    )


def test_a_name_is_of_its_group(site: Site) -> None:
    site.install("acme-plugs", {"validators": {"weekday": "acme:validator"}}, {"acme.py": CODE})
    assert refusal("formats", "weekday")[0] == "unknown_plugin"


def test_two_packages_that_offer_a_name_are_both_told(site: Site) -> None:
    for name in ("acme-plugs", "zeta-plugs"):
        site.install(name, {"validators": {"weekday": "acme:validator"}}, {"acme.py": CODE})
    assert refusal("validators", "weekday") == (
        "ambiguous_plugin",
        "The validator `weekday` is offered by acme-plugs and zeta-plugs: uninstall all but one",
    )


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("acme_absent:validator", "ModuleNotFoundError: No module named 'acme_absent'"),
        ("acme_broken", "ValueError: at import"),
        ("acme:nothing", "AttributeError: module 'acme' has no attribute 'nothing'"),
    ],
)
def test_what_cannot_be_imported_is_told_with_the_first_line_of_the_reason(
    site: Site, target: str, reason: str
) -> None:
    modules = {"acme.py": CODE, "acme_broken.py": "raise ValueError('at import\\nand more')\n"}
    site.install("acme-plugs", {"validators": {"weekday": target}}, modules)
    assert refusal("validators", "weekday") == (
        "plugin_not_importable",
        f"`{target}` of acme-plugs cannot be imported: {reason}. Mend or reinstall it",
    )


@pytest.mark.parametrize(
    ("group", "target", "what"),
    [
        ("validators", "acme", "validator `it` is nothing that can be called: name a function or a class"),
        ("validators", "acme:NUMBER", "validator `it` is nothing that can be called: name a function or a class"),
        ("validators", "acme:makes_nothing", "validator `it` makes nothing that can be called with an event"),
        ("validators", "acme:judges_events_alone", "validator `it` cannot be called with event, data: TypeError"),
        ("launchers", "acme:parse", "launcher `it` cannot be called with environment: TypeError"),
        ("launchers", "acme:NoCancel", "launcher `it` has no method `cancel`"),
        ("formats", "acme:makes_nothing", "format `it` cannot be called with headers, body, now: TypeError"),
    ],
)
def test_what_has_another_shape_is_told(site: Site, group: Group, target: str, what: str) -> None:
    site.install("acme-plugs", {group: {"it": target}}, {"acme.py": CODE})
    code, message = refusal(group, "it")
    assert (code, message.startswith(f"The {what}")) == ("wrong_plugin", True), message


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"most": 1}, "TypeError: validator() got an unexpected keyword argument 'most'"),
        ({"least": -1}, "ValueError: least is negative"),
    ],
)
def test_options_that_it_does_not_take_are_told(site: Site, options: dict[str, Json], reason: str) -> None:
    site.install("acme-plugs", {"validators": {"it": "acme:validator"}}, {"acme.py": CODE})
    assert refusal("validators", "it", options) == (
        "bad_plugin_options",
        f"The validator `it` cannot be made with these options: {reason}. See what it takes",
    )


@pytest.fixture
def named(write: Write, site: Site) -> Path:
    """A project that names a plug-in of each group."""
    points = {
        "validators": {"least": "acme:validator"},
        "launchers": {"own": "acme:Launcher"},
        "formats": {"odd": "acme:parse"},
    }
    site.install("acme-plugs", points, {"acme.py": CODE})
    project = f"{PROJECT}    launcher: own\nformats: {{webhook: odd}}\n"
    return write({"retrigger.yaml": project, "triggers/churn.yaml": f"{TRIGGER}validate: {{with: [least]}}\n"})


def test_the_compiled_project_has_what_its_files_name(named: Path) -> None:
    loaded = compiled.load(compile_project(load_project(named), "dev"))
    trigger = loaded.trigger("churn")
    assert trigger is not None
    assert (trigger.validators, loaded.environment.launcher, loaded.environment.formats) == (
        (PlugIn(name="least", target="acme:validator", package="acme-plugs==1.0"),),
        PlugIn(name="own", target="acme:Launcher", package="acme-plugs==1.0"),
        {"webhook": PlugIn(name="odd", target="acme:parse", package="acme-plugs==1.0")},
    )


def test_the_emulator_launches_with_no_plug_in(named: Path) -> None:
    local = local_environment(load_project(named), like="dev", ledger="sqlite:ledger", services={})
    assert (local.launcher, [*local.formats]) == (None, ["webhook"])


def test_each_mistake_is_told_at_its_place(named: Path) -> None:
    trigger = f"{TRIGGER}validate:\n  with:\n    - least\n    - least: {{least: -1}}\n    - most\n"
    (named / "triggers/churn.yaml").write_text(trigger, encoding="utf-8")
    project = f"{PROJECT}    launcher: least\nformats:\n  tick: odd\n  webhook: least\n"
    (named / "retrigger.yaml").write_text(project, encoding="utf-8")
    assert [(it.path, it.line, it.column, it.code) for it in check(named)] == [
        ("retrigger.yaml", 11, 15, "unknown_plugin"),
        ("retrigger.yaml", 13, 3, "taken_route"),
        ("retrigger.yaml", 14, 12, "unknown_plugin"),
        ("triggers/churn.yaml", 9, 7, "bad_plugin_options"),
        ("triggers/churn.yaml", 10, 7, "unknown_plugin"),
    ]
