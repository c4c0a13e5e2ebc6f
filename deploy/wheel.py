"""What a function needs of retrigger, as a wheel: a part of what is published, under the same version marked as such.

A wheel, and not folders beside the entry point: builders compile what they install, and nothing else. A function would
compile its modules again at every cold start.
Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from retrigger.deploy.archive import archive

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from importlib.resources.abc import Traversable

_NEEDED: Final = ("retrigger.functions", "retrigger.handlers", "retrigger.triggers")
_PUBLIC: Final = ("__init__.py", "plugins.py")
_TAGS: Final = "Wheel-Version: 1.0\nGenerator: retrigger\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True, slots=True)
class Wheel:
    """`name` is its file's: installers read project and version there."""

    name: str
    data: bytes

    @property
    def requirement(self) -> str:
        """The line for it of a requirements.txt that lies beside it."""
        return f"./{self.name} --hash=sha256:{hashlib.sha256(self.data).hexdigest()}\n"


def function_wheel(left_out: Collection[str]) -> Wheel:
    """Of the retrigger that runs; `left_out` names the packages that no function of this kind imports."""
    version = metadata.version("retrigger")
    version += ".function" if "+" in version else "+function"
    return packed(
        "retrigger",
        version,
        {
            **{f"retrigger/{name}": files("retrigger").joinpath(name).read_bytes() for name in _PUBLIC},
            **{name: data for package in _NEEDED for name, data in _modules(package, files(package), left_out)},
            f"retrigger-{version}.dist-info/METADATA": _metadata(version).encode(),
        },
    )


def packed(name: str, version: str, contents: Mapping[str, bytes]) -> Wheel:
    """A wheel of these files, which are pure Python, with the metadata of the package among them."""
    written = re.sub(r"[-_.]+", "_", name)
    info = next(path.partition("/")[0] for path in contents if path.endswith(".dist-info/METADATA"))
    whole = {**contents, f"{info}/WHEEL": _TAGS.encode()}
    record = f"{info}/RECORD"
    whole[record] = _record(whole, record).encode()
    return Wheel(f"{written}-{version}-py3-none-any.whl", archive(whole))


def _modules(package: str, folder: Traversable, left_out: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The modules of a package and of those below it: where they lie in the wheel, and their text."""
    for entry in folder.iterdir():
        below = f"{package}.{entry.name}"
        if entry.name.endswith(".py"):
            yield f"{package.replace('.', '/')}/{entry.name}", entry.read_bytes()
        elif entry.joinpath("__init__.py").is_file() and below not in left_out:
            yield from _modules(below, entry, left_out)


def _metadata(version: str) -> str:
    """What needs no extra is required: an installer says so if a pin for it is missing."""
    required = [line for line in metadata.requires("retrigger") or [] if "extra ==" not in line]
    python = metadata.metadata("retrigger")["Requires-Python"]
    lines = ["Metadata-Version: 2.1", "Name: retrigger", f"Version: {version}", f"Requires-Python: {python}"]
    return "\n".join([*lines, *(f"Requires-Dist: {line}" for line in required), ""])


def _record(contents: Mapping[str, bytes], own: str) -> str:
    """Every file with its hash and size, and the record's own name without."""
    lines = [f"{name},sha256={_base64(data)},{len(data)}" for name, data in sorted(contents.items())]
    return "\n".join([*lines, f"{own},,", ""])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
