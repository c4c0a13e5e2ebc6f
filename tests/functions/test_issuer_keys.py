"""When an issuer is asked for its keys, and when it is left alone. Times are seconds since the test's beginning."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING

import pytest

from retrigger.functions.issuer_keys import LONGEST_S, RETRY_S, SHORTEST_S, UNKNOWN_KEY_S, IssuerKeys
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.triggers.errors import Unavailable
from tests.functions.issuer import Issuer, public_jwk

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3600.0


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as started:
        yield started


@pytest.fixture
def keys(issuer: Issuer) -> IssuerKeys:
    return IssuerKeys(Http(HttpSettings(max_body=64 * 1024)), issuer.url)


def code_at(keys: IssuerKeys, kid: str, now: float) -> str:
    with pytest.raises(Unavailable) as caught:
        keys.key(kid, now)
    return caught.value.code


def test_a_key_is_fetched_once_for_as_long_as_the_issuer_says(issuer: Issuer, keys: IssuerKeys) -> None:
    assert [keys.key("k1", now) is not None for now in (0, 1, HOUR - 1)] == [True] * 3
    assert issuer.asked == 1
    assert keys.key("k1", HOUR) is not None
    assert issuer.asked == 2


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("public, max-age=7200, must-revalidate", 7200.0),
        ("MAX-AGE=7200", 7200.0),
        ("max-age=0", SHORTEST_S),
        ("max-age=999999999", LONGEST_S),
        ("max-age=99999999999999999999", SHORTEST_S),
        ("s-max-age=7200", SHORTEST_S),
        ("max-age=-1", SHORTEST_S),
        ("no-store", SHORTEST_S),
        ("", SHORTEST_S),
    ],
)
def test_how_long_is_bounded(issuer: Issuer, keys: IssuerKeys, said: str, kept: float) -> None:
    issuer.headers = {"Cache-Control": said}
    keys.key("k1", 0)
    keys.key("k1", kept - 1)
    assert issuer.asked == 1
    keys.key("k1", kept)
    assert issuer.asked == 2


def test_an_issuer_that_says_nothing_is_asked_after_the_shortest_time(issuer: Issuer, keys: IssuerKeys) -> None:
    issuer.headers = {}
    for now in (0, SHORTEST_S - 1, SHORTEST_S):
        keys.key("k1", now)
    assert issuer.asked == 2


def test_a_thousand_invented_keys_ask_the_issuer_once_a_minute(issuer: Issuer, keys: IssuerKeys) -> None:
    """Two minutes of them."""
    assert {keys.key(f"invented-{number}", number * 0.12) for number in range(1000)} == {None}
    assert issuer.asked == 2


def test_a_key_that_the_issuer_has_just_begun_to_use_is_found(issuer: Issuer, keys: IssuerKeys) -> None:
    keys.key("k1", 0)
    issuer.show("k1", "k2")
    assert keys.key("k2", UNKNOWN_KEY_S - 1) is None
    assert keys.key("k2", UNKNOWN_KEY_S) is not None
    assert issuer.asked == 2


def test_a_key_that_the_issuer_took_back_is_not_taken_when_its_time_is_over(issuer: Issuer, keys: IssuerKeys) -> None:
    keys.key("k1", 0)
    issuer.show("k2")
    assert keys.key("k1", HOUR) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (404, b"no"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"keys": {}}'),
        (200, b'{"keys": [1, null, {}, {"kty": "RSA"}]}'),
        (200, b'{"keys": [{"kty": "RSA", "kid": "k1", "n": "!", "e": "!"}]}'),
        (200, json.dumps({"keys": [{**public_jwk("k1"), "use": "enc"}]}).encode()),
        (200, json.dumps({"keys": [{**public_jwk("k1"), "kty": "oct", "k": "c2VjcmV0"}]}).encode()),
        (200, b'{"keys": []}' + b" " * 70_000),
    ],
)
def test_without_keys_it_cannot_be_said_who_calls(issuer: Issuer, keys: IssuerKeys, status: int, body: bytes) -> None:
    issuer.status, issuer.body = status, body
    assert code_at(keys, "k1", 0) == "keys_unavailable"


def test_an_issuer_that_is_not_reached_is_asked_again_soon_and_not_for_every_call(
    issuer: Issuer, keys: IssuerKeys, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.status = 503
    with caplog.at_level(logging.WARNING, "retrigger"):
        assert {code_at(keys, "k1", now / 100) for now in range(100)} == {"keys_unavailable"}
    assert issuer.asked == 1
    assert [record.getMessage() for record in caplog.records] == ["keys_not_fetched"]
    issuer.status = 200
    assert keys.key("k1", RETRY_S) is not None


def test_keys_are_good_for_a_day_while_their_issuer_is_not_reached(issuer: Issuer, keys: IssuerKeys) -> None:
    keys.key("k1", 0)
    issuer.status = 503
    assert keys.key("k1", HOUR) is not None
    assert keys.key("k1", LONGEST_S - 1) is not None
    assert code_at(keys, "k1", LONGEST_S) == "keys_unavailable"


def test_whether_a_key_is_new_or_invented_cannot_be_said_while_its_issuer_is_not_reached(
    issuer: Issuer, keys: IssuerKeys
) -> None:
    """A no would lose the event: Event Grid does not deliver again what is refused."""
    keys.key("k1", 0)
    issuer.status = 503
    assert code_at(keys, "k2", UNKNOWN_KEY_S) == "keys_unavailable"
    assert code_at(keys, "k2", UNKNOWN_KEY_S + 1) == "keys_unavailable"
    assert keys.key("k1", UNKNOWN_KEY_S + 1) is not None
    assert issuer.asked == 2


def test_keys_for_other_uses_lie_beside_and_are_left(issuer: Issuer, keys: IssuerKeys) -> None:
    issuer.body = json.dumps(
        {"keys": [{"kty": "EC", "kid": "k2", "crv": "P-256"}, {**public_jwk("k3"), "use": "enc"}, public_jwk("k1")]}
    ).encode()
    assert [keys.key(kid, 0) is not None for kid in ("k1", "k2", "k3")] == [True, False, False]


def test_a_burst_of_first_calls_asks_once(issuer: Issuer, keys: IssuerKeys) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(keys.key("k1", 0))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), None in found, issuer.asked) == (20, False, 1)
