"""Plug-ins by name: found among the entry points of what is installed here, imported, and held against their shape.

Functions look for nothing: they import the path that stands in the compiled project. What a plug-in of each group
promises is told in docs/plugins.md. Entry points: https://packaging.python.org/en/latest/specifications/entry-points/.
"""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from retrigger.triggers.authoring.files import Unfit
from retrigger.triggers.authoring.wording import closest
from retrigger.triggers.formats.routes import ROUTES
from retrigger.triggers.plugins import first_line
from retrigger.triggers.spec import PlugIn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

    from retrigger.triggers.event import Json

Group: TypeAlias = Literal["validators", "launchers", "formats"]
_WORDS: Final[Mapping[Group, str]] = {"validators": "validator", "launchers": "launcher", "formats": "format"}
_LAUNCHES: Final = ("request", "submit", "status", "cancel")
_TAKEN: Final = frozenset({*ROUTES, "tick"})


def resolve(group: Group, name: str, options: Mapping[str, Json] | None = None) -> PlugIn:
    """What the name stands for. Unfit if nothing, or more than one thing, or nothing that could be called for it.

    A validator is made once, with its options: mistakes in them are told here, and not by the first event.
    """
    found = _found(group, name)
    assert found.dist is not None, "an entry point that was found has a package that offers it"
    try:
        target = found.load()
    except Exception as error:
        told = f"`{found.value}` of {found.dist.name} cannot be imported: {first_line(error)}. Mend or reinstall it"
        raise Unfit("plugin_not_importable", told) from error
    if not found.attr or not callable(target):
        raise _shapeless(group, name, "is nothing that can be called: name a function or a class in the entry point")
    given = dict(options or {})
    match group:
        case "validators":
            _check_validator(name, target, given)
        case "launchers":
            _check_launcher(name, target)
        case "formats":
            _check_takes(group, name, target, "headers", "body", "now")
    return PlugIn(
        name=name,
        target=f"{found.module}:{found.attr}",
        package=f"{found.dist.name}=={found.dist.version}",
        options=given,
    )


def check_route(route: str) -> None:
    """Unfit if the route is retrigger's own."""
    if route in _TAKEN:
        raise Unfit("taken_route", f"The route `{route}` is retrigger's own: choose another name")


def _found(group: Group, name: str) -> EntryPoint:
    offered = entry_points(group=f"retrigger.{group}")
    found = list(offered.select(name=name))
    packages = sorted({point.dist.name for point in found if point.dist is not None})
    match packages:
        case []:
            hint = closest(name, offered.names)
            told = f"No installed package offers the {_WORDS[group]} `{name}`{hint}: install the one that does"
            raise Unfit("unknown_plugin", told)
        case [_]:
            return found[0]
        case _:
            told = f"The {_WORDS[group]} `{name}` is offered by {' and '.join(packages)}: uninstall all but one"
            raise Unfit("ambiguous_plugin", told)


def _check_validator(name: str, target: Any, options: dict[str, Json]) -> None:
    try:
        made = target(**options)
    except Exception as error:
        told = f"The validator `{name}` cannot be made with these options: {first_line(error)}. See what it takes"
        raise Unfit("bad_plugin_options", told) from error
    if not callable(made):
        raise _shapeless("validators", name, "makes nothing that can be called with an event and its data")
    _check_takes("validators", name, made, "event", "data")


def _check_launcher(name: str, target: Any) -> None:
    _check_takes("launchers", name, target, "environment")
    lacking = [method for method in _LAUNCHES if not callable(getattr(target, method, None))]
    if isinstance(target, type) and lacking:
        raise _shapeless("launchers", name, f"has no method `{lacking[0]}`")


def _check_takes(group: Group, name: str, target: Any, *arguments: str) -> None:
    try:
        signature = inspect.signature(target)
    except ValueError:
        return  # it is written in C and does not say
    try:
        signature.bind(*arguments)
    except TypeError as error:
        told = f"cannot be called with {', '.join(arguments)}: {first_line(error)}"
        raise _shapeless(group, name, told) from error


def _shapeless(group: Group, name: str, what: str) -> Unfit:
    return Unfit("wrong_plugin", f"The {_WORDS[group]} `{name}` {what}. See docs/plugins.md")
