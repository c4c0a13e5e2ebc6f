"""What `frozen.dataclass` makes is what the standard library's would have made."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import itertools
import pickle
import threading
from dataclasses import FrozenInstanceError, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retrigger.triggers import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def classes(dataclass: Callable[..., Any]) -> tuple[Any, Any, Any]:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2
        tags: list[str] = field(default_factory=list)

        @property
        def far(self) -> bool:
            return self.x > 9

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        """Somebody."""

        name: str
        secret: str = field(default="", repr=False)
        seen: int = field(default=0, compare=False)

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    return Point, Named, Empty


OURS, THEIRS = classes(frozen.dataclass), classes(dataclasses.dataclass)
MADE = [
    lambda point, *_: point(1),
    lambda point, *_: point(1, tags=["a"]),
    lambda _, named, __: named(name="n", secret="s", seen=3),
    lambda *all_: all_[2](),
]


@pytest.mark.parametrize("make", MADE)
def test_an_instance_is_shown_compared_and_hashed_alike(make: Callable[..., Any]) -> None:
    mine, theirs = make(*OURS), make(*THEIRS)
    assert repr(mine) == repr(theirs)
    assert [getattr(mine, it.name) for it in fields(mine)] == [getattr(theirs, it.name) for it in fields(theirs)]
    assert mine == make(*OURS)
    assert mine != theirs
    assert is_dataclass(mine)
    assert not hasattr(mine, "__dict__")


@pytest.mark.parametrize(("ours", "theirs"), list(zip(OURS, THEIRS, strict=True)))
def test_a_class_has_the_same_signature_matching_and_fields(ours: Any, theirs: Any) -> None:
    assert [*inspect.signature(ours).parameters] == [*inspect.signature(theirs).parameters]
    assert ours.__match_args__ == theirs.__match_args__
    assert [(it.name, it.compare, it.repr, it.kw_only) for it in fields(ours)] == [
        (it.name, it.compare, it.repr, it.kw_only) for it in fields(theirs)
    ]


@pytest.mark.parametrize("dataclass", [frozen.dataclass, dataclasses.dataclass])
def test_a_class_that_extends_another_has_its_fields_too(dataclass: Callable[..., Any]) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Body:
        extra: dict[str, int] = field(default_factory=dict)
        kept: int = 1

    @dataclass(frozen=True, slots=True)
    class Claim(Body):
        state: str = "new"
        kept: int = 2

    assert [(it.name, it.kw_only, it.default) for it in fields(Claim)] == [
        ("extra", True, dataclasses.MISSING),
        ("kept", False, 2),
        ("state", False, "new"),
    ]
    assert [it.name for it in fields(Body)] == ["extra", "kept"]
    assert repr(Claim(1, "s", extra={"a": 1})).endswith("Claim(extra={'a': 1}, kept=1, state='s')")
    assert (Claim() == Claim(2, "new"), Claim() == Claim(3)) == (True, False)
    assert replace(Claim(), state="t").state == "t"


@pytest.mark.parametrize("dataclass", [frozen.dataclass, dataclasses.dataclass])
def test_a_default_that_all_instances_would_share_is_refused(dataclass: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="default_factory"):

        @dataclass(frozen=True, slots=True)
        class Shared:
            values: list[int] = []  # noqa: RUF012  # it is what is refused


def test_a_generic_class_has_fields() -> None:
    @frozen.dataclass(frozen=True, slots=True)
    class Stored(Generic[T]):
        value: T

    assert replace(Stored(1), value=2) == Stored[int](2)


def test_names_are_those_of_the_fields() -> None:
    for cls in OURS:
        assert frozen.names(cls) == tuple(it.name for it in fields(cls))


def test_what_does_not_count_is_not_compared() -> None:
    _, named, _ = OURS
    one, other = named(name="n", seen=1), named(name="n", seen=2)
    assert (one, hash(one)) == (other, hash(other))
    assert named(name="n") != named(name="m")


def test_each_instance_has_a_default_of_its_own() -> None:
    point, _, _ = OURS
    assert point(1).tags is not point(1).tags


def test_nothing_of_it_can_be_changed() -> None:
    point, _, _ = OURS
    made = point(1)
    for name in ("x", "other"):
        with pytest.raises(FrozenInstanceError):
            setattr(made, name, 5)
    with pytest.raises(FrozenInstanceError):
        del made.x
    assert replace(made, x=10).far


def test_it_is_replaced_as_the_standard_library_does() -> None:
    for (point, named, _), change in ((OURS, frozen.replace), (THEIRS, replace)):
        assert change(point(1, 3), y=4) == point(1, 4)
        assert change(named(name="n", secret="s"), seen=9).secret == "s"
        assert named(name="n").name == "n"
        with pytest.raises(TypeError):
            change(point(1), z=4)


def test_what_is_missing_or_unknown_is_a_type_error() -> None:
    point, named, _ = OURS
    for make, fields_ in ((point, {}), (point, {"x": 1, "z": 2}), (named, {"x": 1})):
        with pytest.raises(TypeError):
            make(**fields_)
    with pytest.raises(TypeError):
        named("n")


@frozen.dataclass(frozen=True, slots=True)
class Kept:
    values: dict[str, int]


def test_it_is_copied_and_pickled() -> None:
    kept = Kept({"a": 1})
    assert copy.copy(kept) == copy.deepcopy(kept) == pickle.loads(pickle.dumps(kept)) == kept  # noqa: S301  # our own
    assert copy.deepcopy(kept).values is not kept.values


@pytest.mark.parametrize("options", [{"frozen": False, "slots": True}, {"frozen": True, "slots": False}])
def test_other_classes_are_for_the_standard_library(options: dict[str, bool]) -> None:
    with pytest.raises(TypeError):
        frozen.dataclass(**options)


NAN = float("nan")
NAMES = "abcde"


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A field. `default` and `named` are None where nothing is said."""

    default: str | None
    named: bool | None
    compare: bool
    repr: bool

    def declared(self) -> Any:
        said: dict[str, Any] = {} if self.named is None else {"kw_only": self.named}
        match self.default:
            case "value":
                said["default"] = 7
            case "factory":
                said["default_factory"] = list
        return field(compare=self.compare, repr=self.repr, **said)


Fields = dict[str, Drawn | None]
drawn_fields = st.dictionaries(
    st.sampled_from(NAMES),
    st.none()
    | st.builds(
        Drawn, st.sampled_from([None, "value", "factory"]), st.sampled_from([None, True, False]), *[st.booleans()] * 2
    ),
    max_size=4,
)
levels = st.lists(st.tuples(drawn_fields, st.booleans()), min_size=1, max_size=3)
values = st.sampled_from([1, "v", NAN, None, dataclasses.MISSING])
calls = st.tuples(st.lists(values, max_size=6), st.dictionaries(st.sampled_from([*NAMES, "other"]), values, max_size=5))


def made(dataclass: Callable[..., Any], levels: list[tuple[Fields, bool]]) -> Any:
    """The last of classes that extend each other."""
    cls: Any = object
    for own, kw_only in levels:
        body = {name: drawn.declared() for name, drawn in own.items() if drawn is not None}
        said = {"__module__": __name__, "__qualname__": "Made", "__annotations__": dict.fromkeys(own, "Any")}
        cls = dataclass(frozen=True, slots=True, kw_only=kw_only)(type("Made", (cls,), {**said, **body}))
    return cls


def outcomes(cls: Any, calls: list[tuple[list[Any], dict[str, Any]]]) -> list[Any]:
    """What each call gives: an instance, or how it is refused."""
    found: list[Any] = []
    for args, kwargs in calls:
        try:
            found.append(cls(*args, **kwargs))
        except TypeError as refusal:
            found.append(str(refusal))
    return found


def told(cls: Any, found: list[Any]) -> list[Any]:
    names = [it.name for it in fields(cls)]
    return [it if isinstance(it, str) else (repr(it), [getattr(it, name) for name in names]) for it in found]


def parameters(cls: Any) -> list[tuple[str, Any, bool]]:
    return [(it.name, it.kind, it.default is it.empty) for it in inspect.signature(cls).parameters.values()]


def hashed(instance: object) -> str:
    try:
        hash(instance)
    except TypeError as refusal:
        return str(refusal)
    return "hashed"


@given(levels, st.lists(calls, min_size=1, max_size=4))
def test_any_class_takes_refuses_shows_and_compares_as_the_standard_librarys(
    levels: list[tuple[Fields, bool]], calls: list[tuple[list[Any], dict[str, Any]]]
) -> None:
    try:
        theirs = made(dataclasses.dataclass, levels)
    except TypeError:  # a field without a default after one that has one
        assume(False)
    ours = made(frozen.dataclass, levels)
    many = [*itertools.islice(itertools.cycle(calls), 105)]
    mine, expected = outcomes(ours, many), outcomes(theirs, many)
    assert told(ours, mine) == told(theirs, expected)
    assert [[it == other for other in mine] for it in mine[-4:]] == [
        [it == other for other in expected] for it in expected[-4:]
    ]
    assert [hashed(it) for it in mine] == [hashed(it) for it in expected]
    assert ours.__match_args__ == theirs.__match_args__
    assert parameters(ours) == parameters(theirs)


def test_arguments_that_are_wrong_have_nothing_made() -> None:
    called = []

    @frozen.dataclass(frozen=True, slots=True)
    class Counted:
        value: list[int] = field(default_factory=lambda: called.append(1) or [])  # type: ignore[func-returns-value]

    with pytest.raises(TypeError):
        Counted(other=1)  # type: ignore[call-arg]
    assert called == []


def test_a_call_that_began_before_its_class_was_compiled_ends_after_it() -> None:
    @frozen.dataclass(frozen=True, slots=True)
    class Point:
        x: int

    first: Any = Point.__init__
    made = [Point(at) for at in range(200)]
    for point in made:
        first(point, 7)
    assert made == [Point(7)] * 200


def test_many_threads_make_instances() -> None:
    for _ in range(20):
        point, _, _ = classes(frozen.dataclass)
        made: list[Any] = []
        ready = threading.Barrier(4)

        def work(point: Any = point, made: list[Any] = made, ready: threading.Barrier = ready) -> None:
            ready.wait()
            made.extend(point(1) for _ in range(60))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [point(1)] * 240


def test_a_class_that_extends_one_by_hand_keeps_its_own_init() -> None:
    point, _, _ = classes(frozen.dataclass)

    class Origin(point):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(0, 0)

    assert parameters(Origin) == []
    assert (Origin().x, Origin().y, Origin().tags) == (0, 0, [])


def test_what_a_class_inherits_it_fills_alone() -> None:
    @frozen.dataclass(frozen=True, slots=True)
    class Base:
        x: int

    @frozen.dataclass(frozen=True, slots=True)
    class Extended(Base):
        y: int = 2

    made = Extended(1, 5)
    Base.__init__(made, 3)
    assert made == Extended(3, 5)
