from __future__ import annotations

import pytest

from retrigger.triggers import filing, finding


def tried(texts: list[str], name: str) -> list[str]:
    files = finding.Files(filing.filed({("", text): [(text, 0)] for text in texts}))
    return [listeners[0].trigger for _, _, _, listeners in files.candidates(name)]


@pytest.mark.parametrize("shape", ["{{r}}/x{low}/*/y{high}.csv", "**/x{low}/**/y{high}/*", "*-{low}-*-{high}_*"])
def test_what_many_share_is_told_apart_by_another_text(shape: str) -> None:
    texts = [shape.format(low=f"{number % 20:02}", high=f"{number // 20:02}") for number in range(400)]
    name = shape.format(low="07", high="11").replace("**", "a/b").replace("*", "part").replace("{r}", "eu")
    assert tried(texts, name) == [shape.format(low="07", high="11")]


def test_three_texts_that_many_share_tell_globs_apart_together() -> None:
    texts = [f"**/a{number % 8}/**/b{number // 8 % 8}/**/c{number // 64}.csv" for number in range(512)]
    assert tried(texts, "x/a3/y/b5/c7.csv") == ["**/a3/**/b5/**/c7.csv"]


def test_a_folder_is_not_tried_for_names_further_below() -> None:
    texts = ["/".join("a" * depth) + "/*.csv" for depth in range(1, 30)]
    assert tried(texts, "a/a/a/x.csv") == ["a/a/a/*.csv"]


def test_a_text_is_sooner_looked_up_if_it_begins_with_no_other_that_is_filed() -> None:
    """The names of the deepest folder begin with every folder's text; they end in one way."""
    texts = ["/".join("a" * depth) + f"/**/{depth:02}.csv" for depth in range(1, 30)]
    assert tried(texts, "a/a/a/a/a/03.csv") == ["a/**/01.csv", "a/a/a/**/03.csv"]


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("**/x/*/*", "x/1/2/3"),
        ("{a}/x/**", "1/2/x/3"),
        ("**/*-x/*", "1-x/2/3"),
        ("{a}/x-*/**", "1/2/x-/3"),
        ("**/*-x-*/*", "1-x-2/3/4"),
    ],
)
def test_a_text_of_one_segment_is_not_looked_up_in_another(text: str, near: str) -> None:
    assert tried([text], near) == []


def test_between_two_deep_wildcards_any_segment_may_be_the_one() -> None:
    for text in ("**/x/**/*", "**/*-x/**/*", "**/x-*/**/*", "**/*-x-*/**/*"):
        segment = text.split("/")[1].replace("*", "1")
        assert [tried([text], name) for name in (f"{segment}/a", f"a/{segment}/b", f"a/b/{segment}/c/d")] == [
            [text]
        ] * 3


def test_what_no_text_tells_apart_is_tried() -> None:
    """They hold the same literals, in the same segments; which wildcards are between is no text."""
    texts = [f"{{a}}/{'*/' * stars}**/x/**/y/*" for stars in range(10)]
    assert tried(texts, "1/x/2/y/3") == texts
    assert tried(texts, "1/2/3") == []
