"""Topics, their push subscriptions and message ids: the model under every face through which messages come."""

from __future__ import annotations

import re
import sqlite3
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from retrigger.local_emulator.delivery import Policy, Subscription
from retrigger.local_emulator.eventarc import message_event
from retrigger.local_emulator.messaging.messages import (
    AlreadyExists,
    Draft,
    InvalidArgument,
    NotFound,
    push_body,
    with_attempt,
)
from retrigger.triggers.event import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from retrigger.local_emulator.delivery import Delivery

_NAME = re.compile(r"projects/[a-z0-9:.-]{1,100}/(topics|subscriptions)/(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# What Pub/Sub keeps by default, where Eventarc keeps a day.
_PLAIN = Policy(max_age=timedelta(days=7))
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS subscriptions (
    name TEXT PRIMARY KEY, topic TEXT NOT NULL, endpoint TEXT NOT NULL, ordered INTEGER NOT NULL,
    ack_deadline_s REAL NOT NULL, min_backoff_s REAL NOT NULL, max_backoff_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS message_ids (last INTEGER NOT NULL) STRICT;
INSERT INTO message_ids SELECT 1000000000000000 WHERE NOT EXISTS (SELECT 1 FROM message_ids);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSubscription:
    """Messages of `topic` are pushed to `endpoint` as wrapped messages, with `eventarc` inside CloudEvents.

    `ordered` keeps the order of messages that share an ordering key.
    """

    name: str
    topic: str
    endpoint: str
    eventarc: bool = False
    ordered: bool = False
    policy: Policy = _PLAIN
    copies: int = 1


class Queues:
    """Topics and subscriptions on disk; safe to call from any thread. Messages live in the delivery engine's backlog.

    A message that was answered for is delivered: the ids are given out only after every subscription has it.
    """

    def __init__(self, path: Path, delivery: Delivery, now: Callable[[], datetime]) -> None:
        """Open or create, and register the stored subscriptions for delivery."""
        self._delivery = delivery
        self._now = now
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.executescript(_SCHEMA)
        self._subscriptions: dict[str, PushSubscription] = {}
        for row in self._db.execute("SELECT * FROM subscriptions"):
            self.attach(_from_row(row))

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def create_topic(self, name: str) -> None:
        """Errors: AlreadyExists, InvalidArgument."""
        _check_name(name, "topics")
        with self._lock, self._db:
            if self._db.execute("INSERT OR IGNORE INTO topics VALUES (?)", (name,)).rowcount == 0:
                raise AlreadyExists(f"Resource already exists in the project (resource={name}).")

    def ensure_topic(self, name: str) -> None:
        _check_name(name, "topics")
        with self._lock, self._db:
            self._db.execute("INSERT OR IGNORE INTO topics VALUES (?)", (name,))

    def topics(self) -> list[str]:
        with self._lock:
            return [row[0] for row in self._db.execute("SELECT name FROM topics ORDER BY name")]

    def check_topic(self, name: str) -> None:
        """Errors: NotFound."""
        if name not in self.topics():
            raise NotFound(f"Resource not found (resource={name}).")

    def delete_topic(self, name: str) -> None:
        """Its subscriptions stay, without a topic, as Pub/Sub's do. Errors: NotFound."""
        with self._lock, self._db:
            if self._db.execute("DELETE FROM topics WHERE name = ?", (name,)).rowcount == 0:
                raise NotFound(f"Resource not found (resource={name}).")

    def attach(self, subscription: PushSubscription) -> None:
        """Deliver to it from now on, without keeping it: the emulator's own are made anew at each start."""
        with self._lock:
            self._subscriptions[subscription.name] = subscription
            self._delivery.register(
                Subscription(
                    name=subscription.name,
                    endpoint=subscription.endpoint,
                    policy=subscription.policy,
                    copies=subscription.copies,
                    body_of=with_attempt,
                )
            )

    def create_subscription(self, subscription: PushSubscription) -> None:
        """Keep it and deliver to it. Errors: AlreadyExists, NotFound (the topic), InvalidArgument."""
        _check_name(subscription.name, "subscriptions")
        _check_endpoint(subscription.endpoint)
        with self._lock:
            self.check_topic(subscription.topic)
            if subscription.name in self._subscriptions:
                raise AlreadyExists(f"Resource already exists in the project (resource={subscription.name}).")
            with self._db:
                self._db.execute("INSERT INTO subscriptions VALUES (?, ?, ?, ?, ?, ?, ?)", _row(subscription))
            self.attach(subscription)

    def subscription(self, name: str) -> PushSubscription:
        """Errors: NotFound."""
        with self._lock:
            found = self._subscriptions.get(name)
        if found is None:
            raise NotFound(f"Resource not found (resource={name}).")
        return found

    def subscriptions(self) -> list[PushSubscription]:
        with self._lock:
            return sorted(self._subscriptions.values(), key=lambda it: it.name)

    def delete_subscription(self, name: str) -> None:
        """Its undelivered messages go with it. Errors: NotFound."""
        with self._lock:
            self.subscription(name)
            with self._db:
                self._db.execute("DELETE FROM subscriptions WHERE name = ?", (name,))
            del self._subscriptions[name]
            self._delivery.unregister(name)

    def publish(self, topic: str, drafts: Sequence[Draft]) -> list[str]:
        """Hand each message to every subscription of the topic, and give their ids. Errors: NotFound."""
        with self._lock:
            self.check_topic(topic)
            ids = self._next_ids(len(drafts))
            now = self._now()
            for subscription in [it for it in self._subscriptions.values() if it.topic == topic]:
                for draft, message_id in zip(drafts, ids, strict=True):
                    self._submit(subscription, draft, message_id, now)
        return ids

    def _submit(self, subscription: PushSubscription, draft: Draft, message_id: str, now: datetime) -> None:
        if subscription.eventarc:
            headers = message_event(subscription.topic, message_id, rfc3339(now))
        else:
            headers = {"content-type": "application/json"}
        body = push_body(draft, message_id, now, subscription.name)
        lane = draft.ordering_key if subscription.ordered and draft.ordering_key else None
        self._delivery.submit(subscription.name, headers, body, now=now, lane=lane)

    def _next_ids(self, count: int) -> list[str]:
        with self._db:
            (last,) = self._db.execute("UPDATE message_ids SET last = last + ? RETURNING last", (count,)).fetchone()
        return [str(last - count + n + 1) for n in range(count)]


def _check_name(name: str, kind: str) -> None:
    found = _NAME.fullmatch(name)
    if not found or found[1] != kind:
        raise InvalidArgument(f"Invalid resource name {name[:300]!r}: it must be projects/PROJECT/{kind}/NAME.")


def _check_endpoint(endpoint: str) -> None:
    """Pushes stay on this machine: the emulator is no way to make it call others."""
    try:
        url = urlsplit(endpoint)
        local = url.scheme == "http" and url.hostname in _LOOPBACK and url.port is not None
    except ValueError:
        local = False
    if not local or not endpoint.isascii() or not endpoint.isprintable():
        raise InvalidArgument(f"Invalid push endpoint {endpoint[:300]!r}: it must be http://127.0.0.1:PORT/….")


def _row(it: PushSubscription) -> tuple[str | float, ...]:
    deadline, least, most = it.policy.ack_deadline, it.policy.min_backoff, it.policy.max_backoff
    seconds = (deadline.total_seconds(), least.total_seconds(), most.total_seconds())
    return (it.name, it.topic, it.endpoint, int(it.ordered), *seconds)


def _from_row(row: tuple[str, str, str, int, float, float, float]) -> PushSubscription:
    name, topic, endpoint, ordered, ack_deadline, least, most = row
    policy = Policy(
        ack_deadline=timedelta(seconds=ack_deadline),
        min_backoff=timedelta(seconds=least),
        max_backoff=timedelta(seconds=most),
        max_age=_PLAIN.max_age,
    )
    return PushSubscription(name=name, topic=topic, endpoint=endpoint, ordered=bool(ordered), policy=policy)
