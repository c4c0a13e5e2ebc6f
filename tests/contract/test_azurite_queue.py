"""The same requests to Azurite's queues and to the emulator's: what they answer must not differ.

Where a request is refused before Azurite's own code sees it (broken XML, a number below its least), its answer has no
code; Azure's and ours have one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from azure.storage.queue import AccountSasPermissions, ResourceTypes, generate_account_sas

from tests.contract.azurite import ACCOUNT, KEY, azurite
from tests.contract.test_azurite import Service
from tests.local_emulator.messaging.queue_store import QueueStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.contract.test_azurite import Step

TEXT = b"<QueueMessage><MessageText>x</MessageText></QueueMessage>"
META = {"x-ms-meta-k": "v"}
# In order: each runs in the world that those before it made.
STEPS: list[Step] = [
    ("PUT", "/box", b"", {}),
    ("PUT", "/box", b"", {}),
    ("PUT", "/box", b"", META),
    ("PUT", "/Bad", b"", {}),
    ("PUT", "/a--b", b"", {}),
    ("PUT", "/ab", b"", {}),
    ("PUT", f"/{'a' * 64}", b"", {}),
    ("GET", "/box?comp=metadata", b"", {}),
    ("HEAD", "/box?comp=metadata", b"", {}),
    ("PUT", "/box?comp=metadata", b"", META),
    ("GET", "/box?comp=metadata", b"", {}),
    ("GET", "/none?comp=metadata", b"", {}),
    ("PUT", "/none?comp=metadata", b"", META),
    ("GET", "/?comp=list", b"", {}),
    ("POST", "/box/messages", TEXT, {}),
    ("POST", "/none/messages", TEXT, {}),
    ("POST", "/box/messages", b"", {}),
    ("POST", "/box/messages?messagettl=0", TEXT, {}),
    ("POST", "/box/messages?messagettl=-1", TEXT, {}),
    ("POST", "/box/messages?messagettl=5&visibilitytimeout=5", TEXT, {}),
    ("POST", "/box/messages?visibilitytimeout=-1", TEXT, {}),
    ("POST", "/box/messages?visibilitytimeout=604801", TEXT, {}),
    ("GET", "/box?comp=metadata", b"", {}),
    ("GET", "/box/messages?peekonly=true", b"", {}),
    ("GET", "/box/messages?peekonly=true&numofmessages=33", b"", {}),
    ("GET", "/box/messages?numofmessages=33", b"", {}),
    ("GET", "/box/messages?visibilitytimeout=0", b"", {}),
    ("GET", "/box/messages?numofmessages=32", b"", {}),
    ("GET", "/box/messages", b"", {}),
    ("GET", "/none/messages", b"", {}),
    ("DELETE", "/box/messages/none?popreceipt=x", b"", {}),
    ("PUT", "/box/messages/none?popreceipt=x&visibilitytimeout=1", TEXT, {}),
    ("PUT", "/box/messages/none?popreceipt=x&visibilitytimeout=-1", TEXT, {}),
    ("DELETE", "/none/messages/none?popreceipt=x", b"", {}),
    ("DELETE", "/box/messages", b"", {}),
    ("DELETE", "/none/messages", b"", {}),
    ("DELETE", "/box", b"", {}),
    ("DELETE", "/box", b"", {}),
]
COMPARED = ("x-ms-error-code", "content-type", "x-ms-approximate-messages-count", "x-ms-meta-k")


def sas() -> str:
    everything = AccountSasPermissions.from_string("rwdlacup")
    until = datetime.now(UTC) + timedelta(days=1)
    return generate_account_sas(ACCOUNT, KEY, ResourceTypes(True, True, True), everything, until)


@pytest.fixture(scope="module")
def microsofts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with azurite(tmp_path_factory.mktemp("azurite"), "queue") as it:
        yield Service(f"127.0.0.1:{it.port}", sas())


def test_the_answers_are_azurites(microsofts: Service, tmp_path: Path) -> None:
    store = QueueStore(tmp_path)
    try:
        ours = Service(store.server.url.removeprefix("http://"), microsofts.sas)
        answers = [[_told(step, service.ask(step)) for service in (ours, microsofts)] for step in STEPS]
    finally:
        store.close()
    assert [mine for mine, _ in answers] == [theirs for _, theirs in answers]


def _told(step: Step, answer: tuple[int, Mapping[str, str]]) -> tuple[str, str, int, dict[str, str]]:
    status, headers = answer
    names = ("x-ms-error-code",) if status >= 300 else COMPARED
    return step[0], step[1], status, {name: headers[name] for name in names if name in headers}
