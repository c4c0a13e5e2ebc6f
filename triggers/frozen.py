"""`dataclass(frozen=True, slots=True)`, at a tenth of its price.

The standard library's compiles six methods for each class: at every cold start, for each of eighty classes. Here one is
compiled for all classes of as many fields, and the others are shared; an instance is made in about half the time, too
(docs/adr/0007). Type checkers see the standard library's: what is made is what they say, with `fields`, `replace`,
`is_dataclass`, matching, pickling and FrozenInstanceError.
"""

from __future__ import annotations

import dataclasses
from functools import cache, partial
from operator import attrgetter
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

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


_FROM_FACTORY: Final = object()


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
    """Fills each slot through its descriptor. What is compiled is shared by all classes of as many fields."""
    fields = sorted(dataclasses.fields(cls), key=lambda field: bool(field.kw_only))
    named = [field for field in fields if field.kw_only]
    defaults = {field.name: default for field in fields if (default := _default(field)) is not dataclasses.MISSING}
    code = _filling(len(fields) - len(named), len(named)).replace(
        co_varnames=("self", *(field.name for field in fields))
    )
    setters = {f"_set_{at}": _setter(cls, field) for at, field in enumerate(fields)}
    made = FunctionType(code, setters, "__init__")
    made.__defaults__ = tuple(defaults[field.name] for field in fields if field.name in defaults and not field.kw_only)
    made.__kwdefaults__ = {field.name: defaults[field.name] for field in named if field.name in defaults}
    return made


@cache
def _filling(positional: int, named: int) -> CodeType:
    """`def __init__(self, _0, *, _1): _set_0(self, _0); _set_1(self, _1)`, of which the parameters are renamed."""
    order = range(positional + named)
    parameters = ["self", *(f"_{at}" for at in order)]
    if named:
        parameters.insert(1 + positional, "*")
    body = [f"_set_{at}(self, _{at})" for at in order] or ["pass"]
    scope: dict[str, Any] = {}
    exec(f"def __init__({', '.join(parameters)}): {'; '.join(body)}", scope)  # noqa: S102  # as dataclasses does
    code: CodeType = scope["__init__"].__code__
    return code


def _default(field: dataclasses.Field[Any]) -> object:
    """What the parameter is if it is not given; MISSING where it must be."""
    return field.default if field.default_factory is dataclasses.MISSING else _FROM_FACTORY


def _setter(cls: Any, field: dataclasses.Field[Any]) -> Callable[[object, Any], None]:
    put: Callable[[object, Any], None] = getattr(cls, field.name).__set__
    factory = field.default_factory
    if factory is dataclasses.MISSING:
        return put
    return lambda self, value: put(self, factory() if value is _FROM_FACTORY else value)


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
