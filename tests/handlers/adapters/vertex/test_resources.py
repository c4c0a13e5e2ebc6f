"""Ids and labels are taken or refused as the platform's documented patterns say."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retrigger.handlers.adapters.vertex.resources import fitting_labels, is_job_id
from retrigger.triggers.errors import Refused

JOB_ID = r"[a-z][-a-z0-9]{0,126}"
LABEL = r"[a-z][a-z0-9_-]{0,62}"
LABEL_VALUE = r"[a-z0-9_-]{0,63}"
signs = st.sampled_from([*"az09_-A .\n", "\u00e9", "\u0663", "\u017f"])
texts = st.text(signs, max_size=5) | st.builds(
    lambda text, more: text + "a" * more, st.text(signs), st.integers(50, 140)
)


@given(texts | st.from_regex(JOB_ID, fullmatch=True) | st.text())
@example("")
@example("a" * 127)
@example("a" * 128)
@example("a\n")
def test_an_id_of_a_job_fits_if_the_pattern_says_so(text: str) -> None:
    assert is_job_id(text) == (re.fullmatch(JOB_ID, text) is not None)


@given(texts | st.from_regex(LABEL, fullmatch=True), texts | st.from_regex(LABEL_VALUE, fullmatch=True))
@example("a" * 63, "")
@example("a" * 64, "")
@example("a", "a" * 63)
@example("a", "a" * 64)
@example("", "a")
def test_a_label_fits_if_the_patterns_say_so(key: str, value: str) -> None:
    if re.fullmatch(LABEL, key) and re.fullmatch(LABEL_VALUE, value):
        assert fitting_labels({key: value}) == {key: value}
        return
    with pytest.raises(Refused) as caught:
        fitting_labels({key: value})
    assert caught.value.code == "invalid_label"
