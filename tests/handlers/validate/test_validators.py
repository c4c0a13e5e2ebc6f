from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.memory import MemoryObjects
from retrigger.handlers.outcome import Verdict
from retrigger.handlers.validate import validators
from retrigger.handlers.validate.validators import validate
from retrigger.triggers.errors import Refused, RetriggerError, Unavailable
from retrigger.triggers.event import Message, Object
from retrigger.triggers.spec import PlugIn
from tests.handlers.protocol.scenes import landed, message

if TYPE_CHECKING:
    from retrigger.handlers.validate.reader import ObjectReader
    from retrigger.handlers.validate.validators import Validator
    from retrigger.triggers.event import Event, Json

HERE = "tests.handlers.validate.test_validators"
FILE = replace(landed("a/1.csv", 0))


def says(answer: str | None = None, *, made: list[int] | None = None) -> Validator:
    del made
    return lambda *_: answer


def reads(event: Event, data: ObjectReader | None) -> str | None:
    assert isinstance(event.payload, Object | Message)
    return f"{data.read()!r}" if data is not None else "no data"


def makes_reads() -> Validator:
    return reads


def raises(kind: str) -> Validator:
    errors: dict[str, Exception] = {
        "refused": Refused("it is gone", code="object_gone"),
        "unavailable": Unavailable("the store is away", code="store_away"),
        "key": KeyError("a secret of row 5"),
    }

    def judge(event: Event, data: ObjectReader | None) -> str | None:
        del event, data
        raise errors[kind]

    return judge


def plugin(attribute: str, **options: Json) -> PlugIn:
    return PlugIn(name="it", target=f"{HERE}:{attribute}", package="acme==1", options=options)


@pytest.fixture(autouse=True)
def _made_anew() -> None:
    validators._made.cache_clear()


@pytest.fixture
def objects() -> MemoryObjects:
    store = MemoryObjects()
    store.put("landing", "a/1.csv", b"n\n1\n")
    return store


def test_they_are_asked_in_their_order_up_to_the_first_that_stops(objects: MemoryObjects) -> None:
    asked = [plugin("says"), plugin("says", answer="no"), plugin("raises", kind="key")]
    assert validate(objects, FILE, asked) == [
        Verdict("gate", "pass", "ok", "it: it fits"),
        Verdict("gate", "stop", "bad_event", "it: no"),
    ]


def test_the_data_is_that_of_the_object(objects: MemoryObjects) -> None:
    [verdict] = validate(objects, FILE, [plugin("makes_reads")])
    assert verdict.reason == "it: b'n\\n1\\n'"


def test_an_event_without_an_object_has_no_data(objects: MemoryObjects) -> None:
    [verdict] = validate(objects, message("m"), [plugin("makes_reads")])
    assert verdict.reason == "it: no data"


def test_an_object_that_is_gone_stops_as_it_does_at_the_data_gate() -> None:
    [verdict] = validate(MemoryObjects(), FILE, [plugin("makes_reads")])
    assert (verdict.says, verdict.code) == ("stop", "object_gone")


def test_a_refusal_of_its_own_stops_with_its_code(objects: MemoryObjects) -> None:
    assert validate(objects, FILE, [plugin("raises", kind="refused")]) == [
        Verdict("gate", "stop", "object_gone", "it is gone")
    ]


def test_what_cannot_be_judged_now_is_unavailable(objects: MemoryObjects) -> None:
    with pytest.raises(Unavailable, match="the store is away"):
        validate(objects, FILE, [plugin("raises", kind="unavailable")])


def test_an_exception_is_told_by_its_type_alone(objects: MemoryObjects) -> None:
    with pytest.raises(RetriggerError) as error:
        validate(objects, FILE, [plugin("raises", kind="key")])
    told = "the validator it (acme==1) raised KeyError; its log says where"
    assert (error.value.code, str(error.value)) == ("validator_failed", told)


@pytest.mark.parametrize(
    ("broken", "code", "reason"),
    [
        (plugin("nothing_of_the_kind"), "plugin_not_loaded", "has no attribute 'nothing_of_the_kind'"),
        (replace(plugin("x"), target="acme_absent:x"), "plugin_not_loaded", "install acme==1"),
        (plugin("says", answer=5), "validator_failed", "answered with a int; None or a text was expected"),
        (plugin("says", answer=False), "validator_failed", "answered with a bool"),
        (plugin("says", other=1), "validator_failed", "raised TypeError"),
    ],
)
def test_a_broken_one_has_a_code(objects: MemoryObjects, broken: PlugIn, code: str, reason: str) -> None:
    with pytest.raises(RetriggerError, match=reason) as error:
        validate(objects, FILE, [broken])
    assert error.value.code == code


def test_a_reason_is_printable_and_bounded(objects: MemoryObjects) -> None:
    [verdict] = validate(objects, FILE, [plugin("says", answer="\x1b[2J" + "a" * 5000)])
    assert verdict.reason == f"it: ?[2J{'a' * 996}…"


def test_it_is_made_once_for_its_options(objects: MemoryObjects) -> None:
    validate(objects, FILE, [plugin("says"), plugin("says")])
    validate(objects, FILE, [plugin("says", made=[1])])
    assert validators._made.cache_info().misses == 2
