"""`dataclass(frozen=True, slots=True)`, at a twentieth of its price.

The standard library's compiles six methods for each class and looks at each field several times: at every cold start,
for each of ninety classes. Here an instance is filled slot by slot; of a class that has many, `__init__` is compiled,
once for all classes of as many fields. The other methods are shared, and the standard library is asked about fields
only when somebody else asks; an instance is made in about half the time, too (docs/adr/0007). Type checkers see the
standard library's: what is made is what they say, with `fields`, `replace`, `is_dataclass`, matching, pickling and
FrozenInstanceError.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, Field
from functools import cache, cached_property, partial
from operator import attrgetter
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass  # noqa: PLC0414  # the explicit re-export
    from dataclasses import replace as replace  # noqa: PLC0414  # likewise

else:

    def dataclass(
        cls: type[Any] | None = None, /, *, frozen: bool, slots: bool, kw_only: bool = False
    ) -> type[Any] | Callable[[type[Any]], type[Any]]:
        """As the standard library's, for frozen classes with slots alone: anything else is a TypeError."""
        if not (frozen and slots):
            raise TypeError("only frozen classes with slots are made here: take dataclasses.dataclass")
        return partial(_made, kw_only=kw_only) if cls is None else _made(cls, kw_only=kw_only)

    def replace(instance: Any, /, **changes: Any) -> Any:
        """As the standard library's, for what `dataclass` has made."""
        return type(instance)(**{name: getattr(instance, name) for name in names(type(instance))} | changes)


_FROM_FACTORY: Final = object()
_ABSENT: Final = object()
_FEW: Final = 100
"""Instances of a class that are made slot by slot: what is compiled saves about a microsecond each, and takes 100."""


class _Slot:
    """A field, as much of it as making an instance takes."""

    __slots__ = ("compare", "default", "factory", "named", "shown")

    def __init__(self, given: Any, *, named: bool) -> None:
        """`given`: what the class's body assigns to it, MISSING if nothing."""
        declared = isinstance(given, Field)
        self.default = given.default if declared else given
        self.factory: Any = given.default_factory if declared else MISSING
        self.compare: bool = not declared or given.compare
        self.shown: bool = not declared or given.repr
        self.named = named if not declared or given.kw_only is MISSING else given.kw_only

    @property
    def parameter_default(self) -> Any:
        """What the parameter is if it is not given; MISSING where it must be."""
        return self.default if self.factory is MISSING else _FROM_FACTORY


class _Shape:
    """The fields of a class, in their order: looked at when its first instance is made."""

    def __init__(self, inherited: _Shape | None, own: dict[str, Any], *, named: bool) -> None:
        """`own`: of each field of the class's own what its body assigns to it. `named`: unless it says otherwise."""
        self._inherited = inherited
        self._own = own
        self._named = named

    @cached_property
    def slots(self) -> dict[str, _Slot]:
        inherited = {} if self._inherited is None else self._inherited.slots
        return {**inherited, **{name: _Slot(given, named=self._named) for name, given in self._own.items()}}

    @cached_property
    def key(self) -> Callable[[object], object]:
        """What an instance is compared by."""
        names = [name for name, slot in self.slots.items() if slot.compare]
        if len(names) > 1:
            return attrgetter(*names)
        return lambda instance: tuple(getattr(instance, name) for name in names)


class _Placed:
    """`__match_args__` of a class: worked out when a `case` first names its fields by their places."""

    def __get__(self, instance: object, owner: Any) -> tuple[str, ...]:
        placed = tuple(name for name, slot in _slots(owner).items() if not slot.named)
        setattr(owner, "__match_args__", placed)  # noqa: B010  # mypy knows that no class has it changed, but ours
        return placed


class _Asked:
    """`__dataclass_fields__` or `__dataclass_params__` of a class: made by the standard library when it looks there."""

    def __init__(self, name: str, twin: partial[type[Any]]) -> None:
        self._name = name
        self._twin = twin

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        made = self._twin()
        for name in ("__dataclass_fields__", "__dataclass_params__"):
            setattr(owner, name, getattr(made, name))
        return getattr(made, self._name)


class _Signature:
    """`__signature__` of a class: there is none, and who asks looks at `__init__` then, which must be the real one."""

    def __get__(self, instance: object, owner: Any) -> Any:
        made = next(it for it in owner.__mro__ if "__frozen_shape__" in it.__dict__)
        made.__init__ = _init(made)
        raise AttributeError("__signature__")


_PLACED: Final = _Placed()
_SIGNATURE: Final = _Signature()


def names(cls: type[Any]) -> tuple[str, ...]:
    """Of a class's fields, in their order."""
    return tuple(_slots(cls))


def _shape(cls: Any) -> _Shape:
    return cast("_Shape", cls.__frozen_shape__)


def _slots(cls: type[Any]) -> dict[str, _Slot]:
    return _shape(cls).slots


def _made(cls: type[Any], *, kw_only: bool) -> type[Any]:
    inherited: _Shape | None = getattr(cls, "__frozen_shape__", None)
    body = dict(cls.__dict__)
    own = {name: body.pop(name, MISSING) for name in cls.__annotations__}
    for given in own.values():
        _refuse_shared(given)
    shape = _Shape(inherited, own, named=kw_only)
    twin = partial(_twin, cls, own, kw_only=kw_only)
    body.pop("__dict__", None)
    body.pop("__weakref__", None)
    body |= {
        "__slots__": tuple(own) if inherited is None else tuple(name for name in own if name not in inherited.slots),
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__ or cls.__name__,
        "__frozen_shape__": shape,
        "__match_args__": _PLACED,
        "__dataclass_fields__": _Asked("__dataclass_fields__", twin),
        "__dataclass_params__": _Asked("__dataclass_params__", twin),
        "__signature__": _SIGNATURE,
        "__init__": _first(shape),
        "__repr__": _shown,
        "__eq__": _same,
        "__hash__": _hashed,
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__reduce__": _reduced,
    }
    metaclass: Any = type(cls)
    return cast("type[Any]", metaclass(cls.__name__, cls.__bases__, body))


def _refuse_shared(given: Any) -> None:
    default = given.default if isinstance(given, Field) else given
    if getattr(default, "__hash__", None) is None:
        raise ValueError(f"one {type(default).__name__} would be shared by all: give a default_factory")


def _twin(cls: type[Any], own: dict[str, Any], *, kw_only: bool) -> type[Any]:
    """The same fields, as the standard library sees them."""
    said = {name: cls.__dict__[name] for name in ("__module__", "__orig_bases__") if name in cls.__dict__}
    given = {name: default for name, default in own.items() if default is not MISSING}
    body = {**said, "__annotations__": cls.__annotations__, **given}
    metaclass: Any = type(cls)
    twin: type[Any] = metaclass(cls.__name__, cls.__bases__, body)
    return dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(twin)


def _first(shape: _Shape) -> Callable[..., None]:
    """Makes way for the real one after so many instances: of most classes a process has few."""
    left = _FEW

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807  # it stands in for one
        nonlocal left
        left -= 1
        if left < 0 or not _filled(self, shape.slots, args, kwargs):
            cls: Any = next(it for it in type(self).__mro__ if it.__dict__.get("__frozen_shape__") is shape)
            if cls.__init__ is __init__:  # another thread may have been quicker
                cls.__init__ = _init(cls)
            cls.__init__(self, *args, **kwargs)

    return __init__


def _filled(self: object, slots: dict[str, _Slot], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Fill slot by slot. -> whether the arguments were right: what is compiled complains of them as Python does."""
    placed = iter(args)
    named = 0
    made: list[tuple[str, Callable[[], Any]]] = []
    for name, slot in slots.items():
        value = _ABSENT if slot.named else next(placed, _ABSENT)
        if name in kwargs:
            if value is not _ABSENT:
                return False
            value = kwargs[name]
            named += 1
        elif value is _ABSENT:
            value = slot.default
            if value is MISSING:
                if slot.factory is MISSING:
                    return False
                made.append((name, slot.factory))
                continue
        object.__setattr__(self, name, value)
    if named < len(kwargs) or next(placed, _ABSENT) is not _ABSENT:
        return False
    for name, factory in made:
        object.__setattr__(self, name, factory())
    return True


def _init(cls: Any) -> Any:
    """Fills each slot through its descriptor. What is compiled is shared by all classes of as many fields."""
    slots = _slots(cls)
    placed = [name for name, slot in slots.items() if not slot.named]
    named = [name for name, slot in slots.items() if slot.named]
    defaults = {name: it for name, slot in slots.items() if (it := slot.parameter_default) is not MISSING}
    code = _filling(len(slots)).replace(
        co_varnames=("self", *placed, *named), co_argcount=1 + len(placed), co_kwonlyargcount=len(named)
    )
    setters = {f"_set_{at}": _setter(cls, name, slots[name]) for at, name in enumerate([*placed, *named])}
    made = FunctionType(code, setters, "__init__")
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__defaults__ = tuple(defaults[name] for name in placed if name in defaults)
    made.__kwdefaults__ = {name: defaults[name] for name in named if name in defaults}
    return made


@cache
def _filling(fields: int) -> CodeType:
    """`def __init__(self, _0, _1): _set_0(self, _0); _set_1(self, _1)`, of which the parameters are renamed."""
    parameters = ", ".join(["self", *(f"_{at}" for at in range(fields))])
    body = "; ".join(f"_set_{at}(self, _{at})" for at in range(fields)) or "pass"
    scope: dict[str, Any] = {}
    exec(f"def __init__({parameters}): {body}", scope)  # noqa: S102  # as dataclasses does
    code: CodeType = scope["__init__"].__code__
    return code


def _setter(cls: Any, name: str, slot: _Slot) -> Callable[[object, Any], None]:
    put: Callable[[object, Any], None] = getattr(cls, name).__set__
    factory = slot.factory
    if factory is MISSING:
        return put
    return lambda self, value: put(self, factory() if value is _FROM_FACTORY else value)


def _same(self: Any, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    key = _shape(self).key
    return key(self) == key(other)


def _hashed(self: Any) -> int:
    return hash(_shape(self).key(self))


def _shown(self: Any) -> str:
    told = ", ".join(f"{name}={getattr(self, name)!r}" for name, slot in _slots(type(self)).items() if slot.shown)
    return f"{type(self).__qualname__}({told})"


def _refuse(self: object, name: str, *_: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r} of {type(self).__name__}")


def _reduced(self: Any) -> tuple[Callable[..., object], tuple[type[Any], dict[str, Any]]]:
    return _remade, (type(self), {name: getattr(self, name) for name in names(type(self))})


def _remade(cls: type[Any], values: dict[str, Any]) -> object:
    return cls(**values)
