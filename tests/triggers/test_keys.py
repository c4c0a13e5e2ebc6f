from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrigger.triggers import keys

JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,126}")


@given(trigger=st.text(min_size=1, max_size=200), identity=st.text())
def test_a_run_id_fits_every_platform_and_a_label_whatever_the_names(trigger: str, identity: str) -> None:
    name = keys.run_id("dev", trigger, identity)
    assert JOB_ID.fullmatch(name)
    assert len(name) <= 63


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_a_digest_tells_lists_of_parts_apart(one: list[str], other: list[str]) -> None:
    assert (keys.digest(*one) == keys.digest(*other)) == (one == other)


def test_a_run_id_differs_by_environment() -> None:
    assert keys.run_id("dev", "t", "x") != keys.run_id("prod", "t", "x")


@pytest.mark.parametrize(
    ("mine", "theirs", "conflict"),
    [
        ({"size": 1, "checksum": "crc32c:a"}, {"size": 1, "checksum": "crc32c:a"}, False),
        ({"size": 1, "checksum": "crc32c:a"}, {"size": 2, "checksum": "crc32c:a"}, True),
        ({"size": 1, "checksum": "crc32c:a"}, {"size": 1, "checksum": "crc32c:b"}, True),
        ({"size": 1, "checksum": "crc32c:a"}, {"size": None, "checksum": None}, False),
        ({"body": "e30=", "attributes": {}}, {"body": "e30=", "attributes": {"a": "b"}}, True),
    ],
)
def test_content_conflicts_where_both_know_it(
    mine: dict[str, object], theirs: dict[str, object], conflict: bool
) -> None:
    one, other = (keys.content({"kind": "object", "object": payload}) for payload in (mine, theirs))
    assert keys.conflict(one, other) is conflict
    assert keys.conflict(keys.hashed(one), keys.hashed(other)) is conflict


def test_a_window_fixes_only_the_captures_that_its_key_names() -> None:
    assert keys.captures_in("match.dt", {"dt": "1", "part": "2"}) == {"dt": "1"}
    assert keys.captures_in("", {"dt": "1"}) == {}
