"""A bad model that is rolled out under load is taken back, and no request fails but those that it answered itself.

Callers ask the endpoint all the while, as fast as they are answered. How many of them the new deployment may get is the
step under way: the canary's share.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
import urllib3

from retrigger.triggers.launches import Mirror, OnlineDeployment, Rollback
from tests.contract.kinds import OLD, AzureMlRollout, VertexRollout, World
from tests.local_emulator.planes.azureml import served_models
from tests.local_emulator.planes.azureml.azureml_plane import WORKSPACE
from tests.local_emulator.planes.vertex import online
from tests.local_emulator.planes.vertex.online import CHURN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANARY: Final = 20
_CALLERS: Final = 2
_A_WHILE: Final = 25
"""Requests that are answered between two ticks, at the least."""
_AGES: Final = timedelta(days=1)
# It is well on the row of the smoke test, and fails on those that users send.
FAILS_ON_ROWS: Final = served_models.LOADER.replace(
    b"        return", b"        if any(sum(row) >= 10 for row in rows):\n            raise ValueError\n        return"
)
WATCHED: Final = OnlineDeployment(
    endpoint="online",
    model="churn",
    version="2",
    steps=(CANARY, 100),
    bake=timedelta(minutes=5),
    rollback_if=Rollback(error_rate=0.05),
)


class OnVertex(VertexRollout):
    """Every request fails; what Cloud Monitoring measures tells it."""

    reason = f"at {CANARY} % 100.0% of its requests failed"
    launch = WATCHED
    health = "platform"

    def arrange(self) -> None:
        online.register(self.plane, "old")
        online.register(self.plane, "new", FAILS="yes")
        online.an_endpoint(self.plane)
        online.deployed(self.plane, online.deployment(number=OLD, split={"0": 100}))

    def ask(self) -> int:
        status, _ = self.plane("POST", f"{CHURN}:predict", {"instances": [1, 2]})
        return int(status)

    def tally(self, deployment: str) -> Counter[int]:
        now = self.plane.now
        return Counter(self.plane.traffic.of(CHURN, deployment, now - _AGES, now + _AGES).statuses)


class OnAzureMl(AzureMlRollout):
    """The smoke test is passed; what Azure Monitor measures tells that others fail."""

    reason = f"at {CANARY} % 100.0% of its requests failed"
    launch = replace(WATCHED, smoke={"input_data": [[1]]})
    health = "platform"

    def arrange(self) -> None:
        super().arrange()
        self.plane.put_blob("landing", "churn/2/model/code/scale.py", FAILS_ON_ROWS)
        _, keys = self.plane("POST", "/onlineEndpoints/churn/listKeys")
        _, endpoint = self.plane("GET", "/onlineEndpoints/churn")
        self._address, self._key = endpoint["properties"]["scoringUri"], keys["primaryKey"]
        self._http = urllib3.PoolManager(maxsize=_CALLERS)

    def ask(self) -> int:
        headers = {"Authorization": f"Bearer {self._key}"}
        answer = self._http.request(
            "POST", self._address, json={"input_data": [[4, 6]]}, headers=headers, retries=False
        )
        return answer.status

    def tally(self, deployment: str) -> Counter[int]:
        now, place = self.plane.now, f"{WORKSPACE}/onlineEndpoints/churn".lower().lstrip("/")
        return Counter(self.plane.traffic.of(place, deployment, now - _AGES, now + _AGES).statuses)


class Smoked(OnAzureMl):
    """Not even the smoke test is passed, which Azure ML takes before there is any traffic."""

    reason = "the smoke test was answered 424"
    launch = replace(WATCHED, smoke={"input_data": [[4, 6]]})


class Mirrored(OnAzureMl):
    """What it makes of a copy of the traffic tells, before any user gets its answers."""

    reason = "with 50 % mirrored, "
    launch = replace(OnAzureMl.launch, mirror=Mirror(percent=50, lasts=timedelta(minutes=10)))


class Load:
    """Callers that never pause. `statuses`: what they were answered so far."""

    def __init__(self, ask: Callable[[], int]) -> None:
        self.statuses: Counter[int] = Counter()
        self._ask = ask
        self._over = threading.Event()
        self._answered = threading.Condition()
        self._callers = [threading.Thread(target=self._call, daemon=True) for _ in range(_CALLERS)]
        for caller in self._callers:
            caller.start()

    def a_while(self) -> None:
        """Until some more requests were answered."""
        with self._answered:
            wanted = self.statuses.total() + _A_WHILE
            assert self._answered.wait_for(lambda: self.statuses.total() >= wanted, timeout=30)

    def end(self) -> None:
        self._over.set()
        for caller in self._callers:
            caller.join()

    def _call(self) -> None:
        while not self._over.is_set():
            status = self._ask()
            with self._answered:
                self.statuses[status] += 1
                self._answered.notify_all()


@pytest.mark.parametrize("kind", [OnVertex, OnAzureMl, Smoked, Mirrored])
def test_only_what_the_canary_answered_failed(kind: type[OnVertex | OnAzureMl], tmp_path: Path) -> None:
    it = kind(tmp_path)
    load = Load(it.ask)
    try:
        world = World(it, it.plane.server.url)
        world.deliver()
        run = world.run(between=load.a_while)
        load.end()
        [rollout] = (stored.value for stored in world.app.ledger.rollouts.list())
        new, old = it.tally(rollout.deployment), it.tally(next(iter(rollout.before)))
        assert (run.outcome, rollout.outcome, it.made()) == ("failed", "failed", [])
        assert str(rollout.reason).startswith(it.reason)
        assert old.keys() == {200}
        failed = load.statuses.total() - load.statuses[200]
        if kind in {Smoked, Mirrored}:
            assert failed == 0
        else:
            assert 0 < failed <= new.total()
            assert failed * 100 <= CANARY * load.statuses.total()
    finally:
        load.end()
        it.close()
