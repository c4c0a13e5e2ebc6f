"""The same requests to Azurite and to the emulator's Blob: what they answer must not differ.

Azurite is Microsoft's own emulator; `make setup` installs it where npm is.
"""

from __future__ import annotations

import http.client
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from tests.contract.azurite import ACCOUNT, KEY, azurite
from tests.local_emulator.stores.blob_store import BLOCK_BLOB, BlobStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BOX = "/box?restype=container"
PAST, FUTURE = "Mon, 01 Jan 2018 00:00:00 GMT", "Mon, 01 Jan 2099 00:00:00 GMT"
ONE = {"If-None-Match": "*"}
STALE = {"If-Match": '"0x1"'}
SELF = "{self}/box/a?{sas}"
Step = tuple[str, str, bytes, dict[str, str]]
# In order: each runs in the world that those before it made.
STEPS: list[Step] = [
    ("PUT", BOX, b"", {}),
    ("PUT", BOX, b"", {}),
    ("PUT", "/Bad?restype=container", b"", {}),
    ("HEAD", BOX, b"", {}),
    ("GET", "/none?restype=container", b"", {}),
    ("PUT", "/box/a", b"hello", BLOCK_BLOB | {"Content-Type": "text/plain", "x-ms-meta-k": "v"}),
    ("PUT", "/box/a", b"hello", BLOCK_BLOB | ONE),
    ("PUT", "/none/a", b"x", BLOCK_BLOB),
    ("PUT", "/box/a", b"x", BLOCK_BLOB | STALE),
    ("PUT", "/box/new", b"x", BLOCK_BLOB | STALE),
    ("PUT", "/box/a", b"x", BLOCK_BLOB | {"If-Unmodified-Since": PAST}),
    ("PUT", "/box/a", b"x", BLOCK_BLOB | {"If-Modified-Since": FUTURE}),
    ("GET", "/box/a", b"", {}),
    ("HEAD", "/box/a", b"", {}),
    ("GET", "/box/a", b"", {"x-ms-range": "bytes=1-3"}),
    ("GET", "/box/a", b"", {"Range": "bytes=2-"}),
    ("GET", "/box/a", b"", {"Range": "bytes=99-"}),
    ("GET", "/box/none", b"", {}),
    ("HEAD", "/box/none", b"", {}),
    ("GET", "/none/a", b"", {}),
    ("GET", "/box/a", b"", STALE),
    ("GET", "/box/a", b"", {"If-Modified-Since": FUTURE}),
    ("GET", "/box/a", b"", {"If-Unmodified-Since": PAST}),
    ("PUT", "/box/a?comp=metadata", b"", {"x-ms-meta-n": "1"}),
    ("PUT", "/box/none?comp=metadata", b"", {}),
    ("GET", "/box/a?comp=metadata", b"", {}),
    ("PUT", "/box/a?comp=properties", b"", {"x-ms-blob-content-type": "text/csv"}),
    ("HEAD", "/box/a", b"", {}),
    ("PUT", "/box/b?comp=block&blockid=AAAA", b"one", {}),
    ("PUT", "/box/b?comp=block&blockid=AAAAAAAA", b"one", {}),
    ("PUT", "/box/b?comp=block&blockid=%21", b"one", {}),
    ("PUT", "/none/b?comp=block&blockid=AAAA", b"one", {}),
    ("GET", "/box/b", b"", {}),
    ("GET", "/box/b?comp=blocklist&blocklisttype=all", b"", {}),
    ("PUT", "/box/b?comp=blocklist", b"<BlockList><Latest>AAAB</Latest></BlockList>", {}),
    ("PUT", "/box/b?comp=blocklist", b"<BlockList><Latest>AAAA</Latest></BlockList>", {}),
    ("HEAD", "/box/b", b"", {}),
    ("PUT", "/box/e?comp=blocklist", b"<BlockList></BlockList>", {}),
    ("GET", "/box/e", b"", {"x-ms-range": "bytes=0-10"}),
    ("PUT", "/box/b?comp=blocklist", b"<BlockList></BlockList>", ONE),
    ("PUT", "/box/c", b"", {"x-ms-copy-source": SELF}),
    ("PUT", "/box/c", b"", {"x-ms-copy-source": SELF.replace("/a?", "/none?")}),
    ("PUT", "/box/c", b"", {"x-ms-copy-source": SELF} | ONE),
    ("PUT", "/box/c", b"", {"x-ms-copy-source": SELF, "x-ms-source-if-match": '"0x1"'}),
    ("HEAD", "/box/c", b"", {}),
    ("GET", f"{BOX}&comp=list", b"", {}),
    ("GET", "/none?restype=container&comp=list", b"", {}),
    ("GET", "/?comp=list", b"", {}),
    ("DELETE", "/box/a", b"", STALE),
    ("DELETE", "/box/a", b"", {}),
    ("DELETE", "/box/a", b"", {}),
    ("DELETE", "/none/a", b"", {}),
    ("DELETE", BOX, b"", {}),
    ("DELETE", BOX, b"", {}),
]
COMPARED = (
    "x-ms-error-code", "content-range", "content-type", "x-ms-blob-type", "x-ms-copy-status", "x-ms-meta-k",
    "x-ms-meta-n",
)  # fmt: skip


@dataclass(frozen=True)
class Service:
    """One of the two. Any signature is good for ours; Azurite wants a true one."""

    address: str
    sas: str

    def ask(self, step: Step) -> tuple[int, Mapping[str, str]]:
        method, target, body, headers = step
        fill = {"self": f"http://{self.address}/{ACCOUNT}", "sas": self.sas}
        filled = {name: value.format_map(fill) if "{" in value else value for name, value in headers.items()}
        signed = f"/{ACCOUNT}{target}{'&' if '?' in target else '?'}{self.sas}"
        with closing(http.client.HTTPConnection(self.address, timeout=10)) as connection:
            connection.request(method, signed, body, {"x-ms-version": "2023-11-03", **filled})
            response = connection.getresponse()
            response.read()
            return response.status, {name.lower(): value for name, value in response.getheaders()}


def sas() -> str:
    everything = AccountSasPermissions(True, True, True, True, True, True, True, True)
    return generate_account_sas(
        ACCOUNT, KEY, ResourceTypes(True, True, True), everything, datetime.now(UTC) + timedelta(days=1)
    )


@pytest.fixture(scope="module")
def microsofts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with azurite(tmp_path_factory.mktemp("azurite")) as it:
        yield Service(f"127.0.0.1:{it.port}", sas())


def test_the_answers_are_azurites(microsofts: Service, tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    try:
        ours = Service(store.server.url.removeprefix("http://"), microsofts.sas)
        answers = [[_told(step, service.ask(step)) for service in (ours, microsofts)] for step in STEPS]
    finally:
        store.close()
    assert [mine for mine, _ in answers] == [theirs for _, theirs in answers]


def _told(step: Step, answer: tuple[int, Mapping[str, str]]) -> tuple[str, str, int, dict[str, str]]:
    """The part of an answer that is compared; of an error, and of metadata, the headers that say it."""
    status, headers = answer
    names = ("x-ms-error-code",) if status >= 300 or step[1].endswith("comp=metadata") else COMPARED
    return step[0], step[1], status, {name: headers[name] for name in names if name in headers}
