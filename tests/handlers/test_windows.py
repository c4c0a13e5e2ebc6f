"""What of a window's members counts."""

from __future__ import annotations

from typing import Any

import pytest

from retrigger.handlers.windows import newest_versions

OLD, NEW = "0x8D4BCC2E4835CD0", "0x8D4BCC2E4A00000"
FIRST, SECOND = "00000000000004420000000000028963", "00000000000004420000000000028a00"


def member(
    version: str, sequencer: str | None, uri: str = "https://acme.blob.core.windows.net/c/a.csv"
) -> dict[str, Any]:
    return {"uri": uri, "version": version, "sequencer": sequencer}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (member(OLD, FIRST), member(NEW, SECOND)),
        (member(NEW, FIRST), member(OLD, SECOND)),  # sequencers are made for this, where both have one
        (member(OLD, FIRST), member(NEW, None)),  # a message named the newer: of it no sequencer is known
        (member(OLD, None), member(NEW, FIRST)),
        (member(OLD, None), member(NEW, None)),
        (member("9", "9"), member("10", "10")),
    ],
)
def test_of_several_versions_of_an_object_the_newest_runs(older: dict[str, Any], newer: dict[str, Any]) -> None:
    other = member("1", "1", "gs://landing/b.csv")
    for entries in ({"o": older, "n": newer, "b": other}, {"b": other, "n": newer, "o": older}):
        assert newest_versions(entries) == {"n": newer, "b": other}
