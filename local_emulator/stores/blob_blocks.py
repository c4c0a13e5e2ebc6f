"""Blocks on their way to become a blob: staged one by one, in any order, and committed by their list.

Protocol: https://learn.microsoft.com/rest/api/storageservices/put-block. Staged blocks are forgotten when the emulator
stops, and the oldest blob's when there are too many; committing them is then refused, and the client begins again.
Blocks that are committed already cannot be named again: the object keeps its bytes, not their borders.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from starlette.concurrency import run_in_threadpool

from retrigger.local_emulator.stores.blob_errors import Rejected, TooManyBlocks
from retrigger.local_emulator.stores.errors import ChecksumDiffers
from retrigger.local_emulator.stores.objects import CHUNK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from retrigger.local_emulator.stores.conditions import Conditions
    from retrigger.local_emulator.stores.gcs_http import Body
    from retrigger.local_emulator.stores.objects import Objects
    from retrigger.local_emulator.stores.partial import Partial
    from retrigger.local_emulator.stores.resource import Description, StoredObject

MOST_STAGED = 100_000  # of a blob, as in the cloud; and of all blobs together
_MOST_COMMITTED = 50_000
_LONGEST_ID = 64  # bytes, before base64
_API = {"api": "PutBlockList"}

Place: TypeAlias = tuple[str, str]  # bucket and name


@dataclass(slots=True)
class _Staged:
    """The uncommitted blocks of one blob by id. `busy` while its blocks are being replaced or read."""

    blocks: dict[str, Partial] = field(default_factory=dict)
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)


class Blocks:
    """The uncommitted blocks of all blobs."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._staged: dict[Place, _Staged] = {}
        self._count = 0

    async def stage(self, place: Place, block: str, md5: str | None, body: Body) -> Partial:
        """Keep a block; one of the same id is replaced. Errors: Rejected, TooManyBlocks, ChecksumDiffers."""
        _check_id(block)
        with ExitStack() as stack:
            content = stack.enter_context(self._objects.receive())
            async for chunk in body.chunks():
                content.write(chunk)
            if md5 not in {None, content.md5}:
                raise ChecksumDiffers(f"The MD5 of the block is {content.md5}.")
            async with self._held(place) as staged:
                _check_fits(staged.blocks, block)
                before = staged.blocks.pop(block, None)
                staged.blocks[block] = content
            stack.pop_all()
        if before is not None:
            before.discard()
        else:
            self._count += 1
            self._forget_oldest()
        return content

    async def commit(
        self, place: Place, wanted: list[tuple[str, str]], description: Description, conditions: Conditions
    ) -> StoredObject:
        """Make a blob of these staged blocks; the others are forgotten. Errors: Rejected, and those of Objects.put."""
        if len(wanted) > _MOST_COMMITTED:
            raise Rejected("BlockListTooLong", f"A block list has at most {_MOST_COMMITTED} blocks.")
        async with self._held(place) as staged:
            await run_in_threadpool(self._objects.check_put, *place, conditions)
            chosen = [_found(staged.blocks, kind, block) for kind, block in wanted]
            stored = await run_in_threadpool(self._put, place, chosen, description, conditions)
            self._clear(staged)
        return stored

    async def forget(self, place: Place) -> None:
        """A blob that comes whole makes what was staged for its name worthless."""
        if place in self._staged:
            async with self._held(place) as staged:
                self._clear(staged)

    def uncommitted(self, place: Place) -> list[tuple[str, int]]:
        """Ids and sizes, in the order in which they came."""
        staged = self._staged.get(place)
        return [(block, content.size) for block, content in staged.blocks.items()] if staged else []

    @asynccontextmanager
    async def _held(self, place: Place) -> AsyncIterator[_Staged]:
        """What is staged for a blob, for one at a time; empty, it is not kept."""
        while True:
            staged = self._staged.setdefault(place, _Staged())
            async with staged.busy:
                if self._staged.get(place) is not staged:
                    continue  # who held it before has emptied it
                try:
                    yield staged
                finally:
                    if not staged.blocks:
                        del self._staged[place]
                return

    def _put(
        self, place: Place, chosen: list[Partial], description: Description, conditions: Conditions
    ) -> StoredObject:
        with self._objects.receive() as content:
            for chunk in _bytes_of(chosen):
                content.write(chunk)
            return self._objects.put(
                *place, content, description, conditions, components=max(1, len(chosen)), told=_API
            )

    def _clear(self, staged: _Staged) -> None:
        self._count -= len(staged.blocks)
        for content in staged.blocks.values():
            content.discard()
        staged.blocks.clear()

    def _forget_oldest(self) -> None:
        if self._count > MOST_STAGED:
            place, oldest = next((place, it) for place, it in self._staged.items() if not it.busy.locked())
            self._clear(oldest)
            del self._staged[place]


def _check_fits(blocks: Mapping[str, Partial], block: str) -> None:
    if blocks and len(next(iter(blocks))) != len(block):
        raise Rejected("InvalidBlobOrBlock", "All block ids of a blob have one length.")
    if len(blocks) >= MOST_STAGED:
        raise TooManyBlocks(f"A blob has at most {MOST_STAGED} uncommitted blocks.")


def _check_id(block: str) -> None:
    try:
        size = len(base64.b64decode(block, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not 1 <= size <= _LONGEST_ID:
        raise Rejected("InvalidQueryParameterValue", f"blockid is the base64 of 1 to {_LONGEST_ID} bytes.")


def _found(blocks: Mapping[str, Partial], kind: str, block: str) -> Partial:
    if kind == "Committed" or block not in blocks:
        raise Rejected("InvalidBlockList", f"The {kind.lower()} block {block[:100]!r} is not among those staged.")
    return blocks[block]


def _bytes_of(chosen: list[Partial]) -> Iterator[bytes]:
    for content in chosen:
        with content.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
