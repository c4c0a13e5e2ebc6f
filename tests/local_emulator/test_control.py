from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from starlette.middleware import Middleware
from starlette.routing import Mount

from retrigger.local_emulator import control
from retrigger.local_emulator.backlog import Attempt, DeadLetter, Item
from retrigger.local_emulator.guard import LoopbackOnly
from retrigger.local_emulator.http import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@dataclass
class Controlled:
    """Does what the emulator does, and notes that it was asked to."""

    asked: list[tuple[object, ...]] = field(default_factory=list)

    def status(self) -> dict[str, Any]:
        return {"pid": 1}

    def advance(self, by: timedelta) -> datetime:
        self.asked.append(("advance", by))
        return NOW + by

    def fire(self, trigger: str) -> None:
        if trigger != "nightly":
            raise KeyError(trigger)
        self.asked.append(("fire", trigger))

    def wait_idle(self, timeout: timedelta) -> bool:
        self.asked.append(("wait_idle", timeout))
        return True

    def attempts(self, limit: int) -> list[Attempt]:
        return [Attempt(7, "s", {"ce-id": "1"}, 2, NOW, 200, {"a": 1}, None)][:limit]

    def dead(self, limit: int) -> list[DeadLetter]:
        return [DeadLetter(Item(8, "s", {}, b"\xff", NOW, 5), "too old")][:limit]

    def shut_down(self) -> None:
        self.asked.append(("shut_down",))


@dataclass(frozen=True)
class Api:
    controlled: Controlled
    url: str

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        url = f"{self.url}{control.ROOT}{path}"
        response = urllib3.request(method, url, body=body, headers=headers, retries=False, timeout=10)
        return response.status, json.loads(response.data)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Controlled, str]]:
    controlled = Controlled()
    server = Server([Mount("", routes=control.routes(controlled), middleware=[Middleware(LoopbackOnly)])])
    server.start()
    yield controlled, server.url
    server.stop()


@pytest.fixture
def api(served: tuple[Controlled, str]) -> Api:
    served[0].asked.clear()
    return Api(*served)


def test_the_clock_is_wound(api: Api) -> None:
    assert api.call("POST", "/clock:advance", b'{"seconds": 7200}') == (200, {"now": "2026-01-05T14:00:00Z"})
    assert api.controlled.asked == [("advance", timedelta(hours=2))]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"seconds": -1}', b'{"seconds": 1e300}', b'{"seconds": NaN}', b"[" * 60_000, b"\xff"]
)
def test_what_is_no_duration_is_refused(api: Api, body: bytes) -> None:
    status, answer = api.call("POST", "/clock:advance", body)
    assert (status, answer["error"]["code"], api.controlled.asked) == (400, 400, [])


def test_a_body_without_end_is_cut_off(api: Api) -> None:
    status, answer = api.call("POST", "/clock:advance", b" " * 1_000_000)
    assert (status, answer["error"]["message"]) == (400, "The body is larger than 65536 bytes.")


def test_a_trigger_is_fired(api: Api) -> None:
    assert api.call("POST", "/fire/nightly") == (200, {"fired": "nightly"})
    assert api.controlled.asked == [("fire", "nightly")]


def test_an_unknown_trigger_is_not_found(api: Api) -> None:
    assert api.call("POST", "/fire/nobody")[0] == 404


def test_attempts_and_dead_letters_are_listed(api: Api) -> None:
    status, listed = api.call("GET", "/deliveries")
    attempt = {
        "delivery": 7,
        "subscription": "s",
        "headers": {"ce-id": "1"},
        "attempt": 2,
        "time": "2026-01-05T12:00:00Z",
        "status": 200,
        "answer": {"a": 1},
        "error": None,
    }
    dead = {
        "delivery": 8,
        "subscription": "s",
        "headers": {},
        "body": "/w==",
        "accepted": "2026-01-05T12:00:00Z",
        "reason": "too old",
    }
    assert (status, listed) == (200, {"attempts": [attempt], "dead": [dead]})


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "limit=1e9"])
def test_a_limit_is_a_bounded_number(api: Api, query: str) -> None:
    assert api.call("GET", f"/deliveries?{query}")[0] == 400


def test_one_can_wait_until_it_is_idle(api: Api) -> None:
    assert api.call("GET", "/wait-idle?timeout=5") == (200, {"idle": True})
    assert api.controlled.asked == [("wait_idle", timedelta(seconds=5))]
    assert api.call("GET", "/wait-idle?timeout=1e9")[0] == 400


def test_it_is_shut_down(api: Api) -> None:
    assert api.call("POST", "/shutdown") == (202, {})
    assert api.controlled.asked == [("shut_down",)]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[", "127.0.0.1@evil"]
)
def test_names_that_are_not_loopback_are_refused(api: Api, host: str) -> None:
    assert api.call("POST", "/shutdown", Host=host)[0] == 403
    assert api.controlled.asked == []


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "[::1]:80"])
def test_names_of_this_machine_are_answered(api: Api, host: str) -> None:
    assert api.call("GET", "/status", Host=host) == (200, {"pid": 1})


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000", "null", ""])
def test_web_pages_of_other_origins_are_refused(api: Api, origin: str) -> None:
    assert api.call("POST", "/shutdown", Origin=origin)[0] == 403
    assert api.controlled.asked == []


def test_its_own_page_is_answered(api: Api) -> None:
    assert api.call("GET", "/status", Origin=api.url) == (200, {"pid": 1})
