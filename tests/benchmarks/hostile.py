"""What hostile expressions, schemas and messages cost: each is refused, or done, in about 100 ms.

Also a program: it runs every case in a process of its own that may use so many seconds of CPU, and prints
`{case: [outcome, ms]}` as JSON, so that a case without a bound is a failure of a test and no hang.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrigger.handlers.validate import checks
from retrigger.triggers import compiled
from retrigger.triggers.authoring import files
from retrigger.triggers.authoring.scope import EVENT_VARIABLES
from retrigger.triggers.errors import ExpressionError, RetriggerError
from retrigger.triggers.event import Event, Message
from retrigger.triggers.expressions import compile_expression, load_expression
from tests.benchmarks.report import Benchmark, Report, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from retrigger.triggers.event import Json

_CPU_SECONDS: Final = 60
_MESSAGE: Final = "event.message.json"


def _nested(depth: int, leaf: Json = 1) -> Json:
    for _ in range(depth):
        leaf = [leaf]
    return leaf


def _doubling(keyword: str, steps: int) -> Json:
    """Each step leads twice to the next."""
    twice: dict[str, Json] = {f"d{at}": {keyword: [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(steps)}
    return {"$defs": {**twice, f"d{steps}": {"type": "string"}}, "$ref": "#/$defs/d0"}


_TWICE_A_LEVEL: Final[Json] = {"items": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}, {"type": "string"}]}, "type": "array"}
_NUMBERS: Final[Json] = list(range(1000))
_ROWS: Final[Json] = [list(range(200)) for _ in range(1000)]
_TEN_MB: Final = "x" * 10_000_000
_M: Final = f"{_MESSAGE}.a"

_WRITTEN: Final[Mapping[str, tuple[str, str]]] = {
    "400 clauses": (" && ".join(["1 == 1"] * 400), "bool"),
    "4,000 negations": ("!" * 4000 + "true", "bool"),
    "2,000 sums": ("+".join(["1"] * 2000), "too_complex"),
    "2,000 brackets": ("(" * 2000 + "1" + ")" * 2000, "too_complex"),
    "2,000 lists in lists": ("[" * 2000 + "]" * 2000, "too_complex"),
    "500 choices": ("true?1:" * 500 + "1", "too_complex"),
    "1,000 indices": (_MESSAGE + "[0]" * 1000, "too_complex"),
    "200 calls in calls": ("size(" * 200 + "1" + ")" * 200, "too_complex"),
    "a list of 1,900": ("[" + "1," * 1900 + "1]", "list"),
    "an integer of 4,000 digits": ("9" * 4000, "syntax"),
    "an exponent of 4,000 digits": ("1e" + "9" * 4000, "double"),
    "2,000 emoji": ("'" + "\U0001f600" * 2000 + "'", "string"),
    "quotes that do not end": ("'\\" * 2000, "syntax"),
    "a text too long": ("'" + "a" * 5000 + "'", "too_complex"),
    "10^9 iterations": (f"{_M}.map(x, {_M}.map(y, {_M}.map(z, z)))", "too_complex"),
    "loops after loops": (f"{_M}" + ".map(x, x)" * 5, "too_complex"),
    "text that doubles": (f"{_M}.map(x, x + x)", "too_complex"),
    "lists that double": (f"{_M}.map(x, [x, x])", "too_complex"),
    "a pattern from the event": (f"event.message.id.matches({_M})", "too_complex"),
    "a pattern of a million states": ("event.message.id.matches('(a{1000}){1000}')", "too_complex"),
    "counts written as escapes": (r"event.message.id.matches('(a\x7b1000\x7d)\x7b1000\x7d')", "too_complex"),
    "400 classes of Unicode": (r"event.message.id.matches('(\\pL\\pN){200}')", "too_complex"),
    "many patterns": (
        " && ".join([f"event.message.id.matches('(a{{1,30}}){{8}}{at}')" for at in range(60)]), "too_complex"),
    "a pattern that is none": ("event.message.id.matches('(a')", "syntax"),
}  # fmt: skip
"""Expression -> its type, or the code by which it is refused when it is written."""

_EVALUATED: Final[Mapping[str, tuple[str, Json, str]]] = {
    "10 MB, read": (_M, _TEN_MB, "too_large"),
    "10 MB beside it": (f"{_MESSAGE}.b", _TEN_MB, "expression_failed"),
    "10^6 items, read": (_M, [1] * 1_000_000, "too_large"),
    "10^6 items, counted": (f"size({_M}) > 1", [1] * 1_000_000, "too_large"),
    "300,000 names": (f"({_M})", {str(at): at for at in range(300_000)}, "too_large"),
    "45,000 items": (f"({_M})", [1] * 45_000, "value"),
    "64 deep": (f"({_M})", _nested(60), "value"),
    "10,000 deep": (_M, _nested(10_000), "too_large"),
    "4 MB, doubled thrice": ("+".join([_M] * 8), "x" * 4_000_000, "too_large"),
    "6,000 items, eight times": ("+".join([_M] * 8), [1] * 6000, "value"),
    "compared eighty times": (" && ".join([f"{_M} == {_M}"] * 80), [1] * 20_000, "too_large"),
    "990 items in pairs": (f"{_M}.all(x, x in {_M})", _NUMBERS[:990], "value"),
    "990 texts in pairs": (f"{_M}.exists(x, !(x in {_M}))", ["a" * 120] * 989 + ["b"], "value"),
    "1,000 items in 20 pairs": (f"{_M}.all(x, " + " || ".join([f"x in {_M}"] * 20) + ")", _NUMBERS, "too_large"),
    "200 items in 20 pairs": (f"{_M}.all(x, " + " && ".join([f"!(-1 in {_M})"] * 20) + ")", _NUMBERS[:200], "value"),
    "300 lists of 300": (f"{_M}.map(x, {_M})", _NUMBERS[:300], "too_large"),
    "1,000 lists of 1,000": (f"{_M}.map(x, {_M})", _NUMBERS, "too_large"),
    "1,000 rows of 200": (f"{_M}.all(x, {_M} == {_M})", _ROWS, "too_large"),
    "1,000 items, four loops": (f"{_M}" + ".map(x, x)" * 4, _NUMBERS, "too_large"),
    "500 items, four loops": (f"{_M}" + ".map(x, x)" * 4, _NUMBERS[:500], "value"),
    "1,000 items, one loop": (f"{_M}.map(x, x)", _NUMBERS, "value"),
    "300 comparisons of each": (f"{_M}.all(x, " + " && ".join(["x == x"] * 300) + ")", _NUMBERS[:300], "value"),
    "(.{1,30}){3}b on 100,000": (f"{_M}.matches('(.{{1,30}}){{3}}b')", "a" * 100_000, "too_large"),
    "(.{1,30}){3}b on 20,000": (f"{_M}.matches('(.{{1,30}}){{3}}b')", "a" * 20_000, "value"),
    "(a+)+b on 250,000": (f"{_M}.matches('^(a+)+b$')", "a" * 250_000, "value"),
    "a pattern for each of 1,000": (f"{_M}.exists(x, x.matches('(a{{30}}){{6}}b'))", ["a" * 10] * 1000, "value"),
    "60 patterns on 4 MB": (
        " && ".join([f"!{_M}.matches('a*b{at}')" for at in range(60)]), "a" * 4_000_000, "too_large"),
    "an integer of 4,000 digits": (f"{_M} + 1", 10**4000, "expression_failed"),
    "half a surrogate pair": (f"({_M})", "\ud800", "expression_failed"),
}  # fmt: skip
"""Expression, what the message holds -> a value, or the code of the failure when it fires."""

_SCHEMAS: Final[Mapping[str, tuple[Json, Json, str]]] = {
    "(a+)+$": ({"pattern": "^(a+)+$"}, "a" * 50_000 + "b", "schema"),
    "look-around": ({"pattern": "(?=a)"}, "a", "bad_schema"),
    "a pattern of a million states": ({"pattern": "(a{1000}){1000}"}, "a", "schema_too_complex"),
    "100 patterns of 900 states": (
        {"allOf": [{"pattern": f"(.{{1,30}}){{30}}b{at}"} for at in range(100)]}, "a", "schema_too_complex"),
    "a dear pattern on 1 MB": ({"pattern": "(.{1,30}){30}b"}, "a" * 1_000_000, "schema"),
    "ten dear patterns on 1 MB": (
        {"allOf": [{"pattern": f"(.{{1,30}}){{30}}b{at}|a"} for at in range(10)]}, "a" * 1_000_000, "too_large"),
    "20 patterns for 2,000 names": (
        {"patternProperties": {f"(.{{1,30}}){{9}}b{at}": True for at in range(20)}},
        {"a" * 200 + str(at): 1 for at in range(2000)}, "too_large"),
    "$ref to itself": ({"$ref": "#"}, 1, "ref_cycle"),
    "not itself": ({"not": {"$ref": "#"}}, 1, "ref_cycle"),
    "$refs in a circle": (
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, 1, "ref_cycle"),
    "$dynamicRef in a circle": ({"$dynamicAnchor": "a", "allOf": [{"$dynamicRef": "#a"}]}, 1, "ref_cycle"),
    "2,000 $refs in a row": (
        {"$defs": {str(at): {"$ref": f"#/$defs/{at + 1}"} for at in range(1900)}, "$ref": "#/$defs/0"}, 1,
        "schema_too_complex"),
    "a tree": ({"properties": {"a": {"$ref": "#"}}}, {"a": {"a": {}}}, "value"),
    "http $ref": ({"$ref": "http://127.0.0.1:1/x"}, 1, "remote_ref"),
    "file $ref": ({"$ref": "file:///etc/passwd"}, 1, "remote_ref"),
    "$ref below an http $id": ({"$id": "http://127.0.0.1:1/x", "$ref": "y"}, 1, "remote_ref"),
    "$schema elsewhere": ({"$schema": "http://127.0.0.1:1/x"}, 1, "bad_schema"),
    "anyOf, 2^40 ways": (_doubling("anyOf", 40), 1, "schema_too_complex"),
    "allOf, 2^22 ways": (_doubling("allOf", 22), 1, "schema_too_complex"),
    "anyOf, 2^7 ways": (_doubling("anyOf", 7), 1, "schema"),
    "anyOf, two ways a level": (_TWICE_A_LEVEL, _nested(60), "schema_too_complex"),
    "an enum of 30,000": ({"enum": list(range(30_000))}, -1, "schema"),
    "an enum of 10,000 objects": (
        {"items": {"enum": [{"a": at} for at in range(10_000)]}}, [{"a": 9999}] * 5000, "schema_too_complex"),
    "anyOf of 100, 20,000 items": (
        {"items": {"anyOf": [{"const": at} for at in range(100)]}}, [-1] * 20_000, "too_large"),
    "10^5 items that differ": ({"uniqueItems": True}, list(range(100_000)), "value"),
    "50,000 objects that differ": ({"uniqueItems": True}, [{"a": at} for at in range(50_000)], "value"),
    "10^6 items": ({"items": {"type": "string"}}, [0] * 1_000_000, "too_large"),
    "300,000 items, none contained": ({"contains": {"const": -1}}, [0] * 300_000, "too_large"),
    "100,000 items, none contained": ({"contains": {"const": -1}}, [0] * 100_000, "schema"),
    "multipleOf 1e-300": ({"items": {"multipleOf": 1e-300}}, [1e300 + at for at in range(10_000)], "too_large"),
    "a number of 4,000 digits": ({"multipleOf": 0.1, "maximum": 10**1000}, 10**4000, "schema"),
    "a format of 10^6": ({"format": "email"}, "a" * 1_000_000, "value"),
    "10 MB": ({"minLength": 20_000_000}, _TEN_MB, "too_large"),
    "60 levels": (json.loads('{"items":' * 60 + "{}" + "}" * 60), _nested(60), "value"),
    "20,000 properties": (
        {"properties": {str(at): {"type": "string"} for at in range(20_000)}}, {"1": 1}, "schema_too_complex"),
}  # fmt: skip
"""Schema, message -> the code by which the schema is refused, or that of the message; "value" if it passes."""

_FILES: Final[Mapping[str, tuple[str, str]]] = {
    "a million brackets": ("[" * 1_000_000, "compiled_format"),
    "a number of a million digits": ('{"format": ' + "9" * 1_000_000 + "}", "compiled_format"),
    "a text that does not end": ('{"format": "' + "a" * 1_000_000, "compiled_format"),
}
"""A compiled file -> the code by which it is refused."""


def outcome(case: str) -> Callable[[], str]:
    """The case of this name, ready to be run: what is made once, such as a schema that is right, is made before."""
    kind, _, name = case.partition(": ")
    match kind:
        case "written":
            return partial(_written, _WRITTEN[name][0])
        case "evaluated":
            return partial(_evaluated, *_EVALUATED[name][:2])
        case "schema":
            schema, held, _ = _SCHEMAS[name]
            return partial(_checked, schema, held, _json(held))
        case _:
            return partial(_loaded, _FILES[name][0])


EXPECTED: Final[Mapping[str, str]] = {
    **{f"written: {name}": it[-1] for name, it in _WRITTEN.items()},
    **{f"evaluated: {name}": it[-1] for name, it in _EVALUATED.items()},
    **{f"schema: {name}": it[-1] for name, it in _SCHEMAS.items()},
    **{f"compiled file: {name}": it[-1] for name, it in _FILES.items()},
}
"""Every case, and its outcome."""


def _written(source: str) -> str:
    try:
        return compile_expression(source, EVENT_VARIABLES["message"]).type
    except ExpressionError as error:
        return error.code


def _evaluated(source: str, held: Json) -> str:
    try:
        load_expression(source).evaluate({"event": {"message": {"json": {"a": held}, "id": "1"}}})
    except ExpressionError as error:
        return error.code
    return "value"


def _checked(schema: Json, held: Json, body: bytes) -> str:
    message = Message(channel="c", id="1", body=body, json=held)
    event = Event(id="1", source="s", type="t", time=datetime.now(UTC), subject=None, payload=message)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "schema.json").write_bytes(_json(schema))
        try:
            files.read_schema(Path(folder), "schema.json")
        except files.Unfit as error:
            return error.code
    verdict = checks.check_message(schema, event)
    return "value" if verdict is None else verdict.code


def _json(value: Json) -> bytes:
    return json.dumps(value).encode()


def _loaded(text: str) -> str:
    try:
        compiled.load(text)
    except RetriggerError as error:
        return error.code
    return "value"


def found() -> dict[str, tuple[str, float]]:
    """Every case's outcome and ms of CPU, from a process of its own. Raise CalledProcessError if it ran too long."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.hostile"], check=True, capture_output=True, text=True, timeout=600
    )
    return {case: (got, ms) for case, (got, ms) in json.loads(told.stdout).items()}


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    for ready in ("written: 400 clauses", "evaluated: 45,000 items", "schema: a tree"):
        outcome(ready)()  # the libraries are imported
    told = {}
    for case in EXPECTED:
        run = outcome(case)
        began = time.process_time()
        got = run()
        told[case] = (got, (time.process_time() - began) * 1000)
    json.dump(told, sys.stdout)


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: how often everything is run."""
    rounds = [found() for _ in range(sizes[0])]
    ms = {case: statistics.median(each[case][1] for each in rounds) for case in EXPECTED}
    worst = max(ms, key=lambda case: ms[case])
    return Report(
        columns=("what", "outcome", "ms"),
        rows=[(case, rounds[0][case][0], ms[case]) for case in sorted(ms, key=lambda case: -ms[case])],
        data={"ms": dict(ms), "worst": worst},
        targets=[Target(f"ms of CPU of the worst, {worst}", ms[worst], 100)],
        notes=["medians of CPU time; a schema is read and its message checked together"],
    )


HOSTILE: Final = Benchmark(
    line="expressions, schemas and messages made to take long", unit="rounds", sizes=(5,), smallest=(1,), run=run
)

if __name__ == "__main__":
    _main()
