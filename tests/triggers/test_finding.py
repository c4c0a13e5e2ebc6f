from __future__ import annotations

import sys

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


@pytest.mark.parametrize("text", ["**/*a*/**/*-{i}-*/**", "**/a*/**/*-{i}-*/**", "**/*a/**/*-{i}-*/**"])
def test_what_is_filed_below_a_text_is_looked_up_once_however_often_a_name_holds_it(text: str) -> None:
    """Else a name that repeats one text would cost its length squared, at each of three steps."""
    files = finding.Files(filing.filed({("", text.format(i=i)): [(str(i), 0)] for i in range(50)}))
    name = "/".join(["a" * 20 + "-5-a"] * 20)
    assert len(files.candidates(name)) == 1
    calls = []
    sys.setprofile(lambda _, event, __: calls.append(event) if event == "call" else None)
    try:
        files.candidates(name)
    finally:
        sys.setprofile(None)
    assert len(calls) < 2 * len(name)


@pytest.mark.parametrize("letters", ["0123456789", "".join(map(chr, range(0x4E00, 0x4F00)))])
def test_a_part_of_a_segment_is_found_wherever_it_stands(letters: str) -> None:
    """Whether heads are spelled with few letters or with many: at the start, the end, among others, twice."""
    texts = [f"**/*{one}{two}{one}*" for one in letters[:9] for two in letters[-9:]]
    made = "".join(letters[at] for at in (0, -1, 0))
    for name in (made, f"x{made}", f"{made}x", f"x{made}{made}x", f"x/{letters[1]}{made}"):
        assert f"**/*{made}*" in tried(texts, name)
    assert tried(texts, f"{made[:2]}x{made[2]}") == []
