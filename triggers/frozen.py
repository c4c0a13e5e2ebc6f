"""`dataclass(frozen=True, slots=True)`, at a quarter of its price.

The standard library's compiles six methods for each class: 1.5 ms, for each of sixty classes, at every cold start. Here
one is compiled, and the others are shared; an instance is made in less than half the time, too (docs/adr/0007). Type
checkers see the standard library's: what is made is what they say, with `fields`, `replace`, `is_dataclass`, matching,
pickling and FrozenInstanceError.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass  # noqa: PLC0414  # the explicit re-export

else:

    def dataclass(
        cls: type[Any] | None = None, /, *, frozen: bool, slots: bool, kw_only: bool = False
    ) -> type[Any] | Callable[[type[Any]], type[Any]]:
        """As the standard library's, for frozen classes with slots alone: anything else is a TypeError."""
        if not (frozen and slots):
            raise TypeError("only frozen classes with slots are made here: take dataclasses.dataclass")
        return partial(_made, kw_only=kw_only) if cls is None else _made(cls, kw_only=kw_only)


def _made(cls: type[Any], *, kw_only: bool) -> type[Any]:
    cls.__doc__ = cls.__doc__ or cls.__name__  # or else a signature is worked out for it
    made: Any = dataclasses.dataclass(cls, init=False, repr=False, eq=False, slots=True, kw_only=kw_only)
    made.__init__ = _init(made)
    made.__eq__, made.__hash__ = _comparison(made)
    made.__repr__ = _shown
    made.__setattr__ = made.__delattr__ = _refuse
    made.__reduce__ = _reduced
    return cast("type[Any]", made)


def _init(cls: Any) -> Any:
    """Fills each slot through its descriptor. Names alone enter the source; values and factories are looked up."""
    scope: dict[str, Any] = {"_missing": dataclasses.MISSING}
    positional: list[str] = []
    named: list[str] = []
    body: list[str] = []
    for field in dataclasses.fields(cls):
        name, value, default = field.name, field.name, ""
        scope[f"_set_{name}"] = getattr(cls, name).__set__
        if field.default is not dataclasses.MISSING:
            scope[f"_of_{name}"], default = field.default, f"=_of_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            scope[f"_of_{name}"], default = field.default_factory, "=_missing"
            value = f"_of_{name}() if {name} is _missing else {name}"
        (named if field.kw_only else positional).append(name + default)
        body.append(f" _set_{name}(self, {value})")
    parameters = ", ".join(["self", *positional, *(["*", *named] if named else [])])
    exec(f"def __init__({parameters}):\n" + ("\n".join(body) or " pass"), scope)  # noqa: S102  # as dataclasses does
    return scope["__init__"]


def _comparison(cls: Any) -> tuple[Callable[[object, object], bool], Callable[[object], int]]:
    names = [field.name for field in dataclasses.fields(cls) if field.compare]
    key: Callable[[object], object] = attrgetter(*names) if names else lambda _: ()

    def same(self: object, other: object) -> bool:
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(key(self))

    return same, hashed


def _shown(self: Any) -> str:
    told = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({told})"


def _refuse(self: object, name: str, *_: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r} of {type(self).__name__}")


def _reduced(self: Any) -> tuple[Callable[..., object], tuple[type[Any], dict[str, Any]]]:
    return _remade, (type(self), {field.name: getattr(self, field.name) for field in dataclasses.fields(self)})


def _remade(cls: type[Any], values: dict[str, Any]) -> object:
    return cls(**values)
