"""The packages of a project's plug-ins, as wheels beside retrigger's own: what is installed here, and was checked.

Not from an index: a team's own package is in none, and nothing here knows the hashes of one. Only pure Python goes
along; what the function has already is not doubled, and what else a package needs is taken in the same way.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Final

from retrigger.deploy.wheel import Wheel, packed
from retrigger.triggers.errors import RetriggerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution, PackagePath

    from retrigger.triggers.compiled import Compiled
    from retrigger.triggers.spec import PlugIn

_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_REQUIRED: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_KEPT: Final = re.compile(r"METADATA|entry_points\.txt|(licenses/.*|LICEN[CS]E.*|NOTICE.*)", re.IGNORECASE)


def plugin_wheels(compiled: Compiled, pins: str) -> list[Wheel]:
    """Of every plug-in of the project, and of what they need beyond `pins`; sorted by name.

    Raises RetriggerError `plugin_not_bundled` where a package cannot go along, with what to do instead.
    """
    has = {_canonical(name) for name in _PINNED.findall(pins)} | {"retrigger"}
    wheels: dict[str, Wheel] = {}
    left = [(one.package.partition("==")[0], f"the plug-in {one.name}") for one in _plugins(compiled)]
    while left:
        name, wanted_by = left.pop()
        if _canonical(name) in has:
            continue
        has.add(_canonical(name))
        package = _installed(name, wanted_by)
        wheels[_canonical(name)] = _wheel(package, wanted_by)
        left += ((needed, package.name) for needed in _needed(package))
    return [wheels[name] for name in sorted(wheels)]


def _plugins(compiled: Compiled) -> Iterator[PlugIn]:
    environment = compiled.environment
    if environment.launcher is not None:
        yield environment.launcher
    yield from environment.formats.values()
    for name in compiled.names:
        trigger = compiled.trigger(name)
        yield from trigger.validators if trigger else ()


def _installed(name: str, wanted_by: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise _refused(name, wanted_by, "is not installed here: install it beside retrigger") from error


def _needed(package: Distribution) -> Iterator[str]:
    """What it requires. Where that depends on a marker, what is installed here decides."""
    for line in package.requires or ():
        requirement, _, marker = line.partition(";")
        found = _REQUIRED.match(requirement)
        assert found is not None, "an installer has read this before"
        if not marker or ("extra" not in marker and _is_installed(found[1])):
            yield found[1]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _wheel(package: Distribution, wanted_by: str) -> Wheel:
    tags = package.read_text("WHEEL")
    if _is_editable(package) or tags is None or package.files is None:
        told = "is not installed from a wheel, as an editable one is not: install it as `pip install DIR` does"
        raise _refused(package.name, wanted_by, told)
    if not all(line.strip().endswith("-none-any") for line in tags.splitlines() if line.startswith("Tag:")):
        told = "is built for one platform, which the function may not have: do its work in the pipeline's first step"
        raise _refused(package.name, wanted_by, told)
    contents = {path.as_posix(): path.read_binary() for path in package.files if _goes_along(path)}
    return packed(package.name, package.version, contents)


def _is_editable(package: Distribution) -> bool:
    """As direct_url.json says: https://packaging.python.org/en/latest/specifications/direct-url-data-structure/."""
    told = package.read_text("direct_url.json")
    return told is not None and bool(json.loads(told).get("dir_info", {}).get("editable"))


def _goes_along(path: PackagePath) -> bool:
    """No scripts, nothing compiled here, and of the package's own records what says whose and whatever licence."""
    if path.parts[0] in {"..", "/"} or path.suffix == ".pyc":
        return False
    folder, _, rest = path.as_posix().partition("/")
    return not folder.endswith(".dist-info") or _KEPT.fullmatch(rest) is not None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _refused(name: str, wanted_by: str, what: str) -> RetriggerError:
    message = f"The package {name}, which {wanted_by} needs, {what}, then bundle again."
    return RetriggerError(message, code="plugin_not_bundled")
