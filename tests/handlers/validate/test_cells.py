from __future__ import annotations

import pytest

from retrigger.handlers.validate.cells import fits
from retrigger.triggers.spec import Column

CASES: dict[str, tuple[list[str], list[str]]] = {
    "str": (["", "x", "é"], []),
    "int": (["0", "-1", "+7", " 45 ", "9" * 64], ["", "1.0", "1e3", "1_000", "0x1", "٣", "45 years", "9" * 65]),
    "float": (["0", "-1.5", ".5", "5.", "9.34E-05", "1e400", " 2.0"], ["", ".", "inf", "1,5", "1_0.0", "e5", "1e"]),
    "bool": (["true", "False", "TRUE", "0", "1"], ["", "yes", "2", "truee"]),
    "date": (["2024-02-29"], ["", "2023-02-29", "20240229", "2024-W01-1", "29.02.2024", "2024-02-29 "]),
    "datetime": (
        ["2024-02-29T01:02:03Z", "2024-02-29 01:02", "2024-02-29T01:02:03.5+02:00"],
        ["", "2024-02-29", "2024-02-30T01:02:03Z", "yesterday at noon"],
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_what_fits_a_type(kind: str) -> None:
    good, bad = CASES[kind]
    judge = fits(Column(type=kind))  # type: ignore[arg-type]  # the table's keys are the types
    assert {cell: judge(cell) for cell in good + bad} == dict.fromkeys(good, True) | dict.fromkeys(bad, False)


def test_one_of_is_exact() -> None:
    judge = fits(Column(one_of=("Yes", "No")))
    assert [judge(cell) for cell in ("Yes", "No", "yes", " Yes")] == [True, True, False, False]


def test_a_long_number_is_judged_in_no_time() -> None:
    assert not fits(Column(type="float"))("1" * 100_000_000 + "x")
