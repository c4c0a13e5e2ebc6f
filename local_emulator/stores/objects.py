"""The emulator's objects: buckets, generations, preconditions, and an announcement of every change.

Bytes are files, one a generation, named by its number: an object's name is never a path. An upload grows under a
temporary name; its rename and its row in the index are the last steps, so a crash leaves nothing or a whole object,
and opening sweeps what has no row. A change waits in the index until its announcement has returned: a crash between the
two announces it again (at least once, as the cloud does), never not at all.
"""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

from retrigger.local_emulator.stores.conditions import ALWAYS
from retrigger.local_emulator.stores.errors import ChecksumDiffers, Conflict, NoBucket, NoObject
from retrigger.local_emulator.stores.index import Index
from retrigger.local_emulator.stores.listing import Page, Query, page_of
from retrigger.local_emulator.stores.names import GCS
from retrigger.local_emulator.stores.partial import Partial
from retrigger.local_emulator.stores.resource import Bucket, Description, ObjectChange, StoredObject, object_resource

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from retrigger.local_emulator.stores.conditions import Conditions
    from retrigger.local_emulator.stores.names import Names
    from retrigger.local_emulator.stores.partial import Content
    from retrigger.local_emulator.stores.resource import ChangeKind

CHUNK = 256 * 1024
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Source:
    """An object to copy or compose from: a generation, or the live one."""

    bucket: str
    name: str
    generation: int | None = None
    conditions: Conditions = ALWAYS


class Objects:
    """Buckets and objects in one folder; safe to call from any thread, owned by one process.

    `announce` is called once a change in one of the `watched` buckets (None: in any), after it is durable, on the
    thread that made it and under no lock: two changes made at the same time may be told in either order. If it raises,
    so does the call, though the change stays and is announced again at the next opening. Every method raises
    `StoreError` for what the caller got wrong.
    """

    def __init__(
        self,
        folder: Path,
        now: Callable[[], datetime],
        announce: Callable[[ObjectChange], None],
        names: Names = GCS,
        watched: Container[str] | None = None,
    ) -> None:
        """Open or create, and announce what a crash has withheld. Errors: RuntimeError if another process has it."""
        self._now = now
        self._names = names
        self._announce = announce
        self._watched = watched
        self._data = folder / "data"
        self._partial = folder / "partial"
        for needed in (self._data, self._partial):
            needed.mkdir(parents=True, exist_ok=True)
        self._index = Index(folder / "objects.sqlite3")
        self._recover()

    def close(self) -> None:
        self._index.close()

    def announces(self, bucket: str) -> bool:
        """Whether a change in this bucket is told, which takes as long as whoever hears of it does."""
        return self._watched is None or bucket in self._watched

    # buckets

    def insert_bucket(self, name: str, settings: Mapping[str, object]) -> Bucket:
        self._names.check_bucket(name)
        now = self._now()
        bucket = Bucket(name, 1, now, now, settings)
        with self._index.transaction():
            if self._index.bucket(name):
                raise Conflict("Your previous request to create the named bucket succeeded and you already own it.")
            self._index.put_bucket(bucket)
        return bucket

    def bucket(self, name: str) -> Bucket:
        with self._index.transaction():
            return self._bucket(name)

    def buckets(self) -> list[Bucket]:
        with self._index.transaction():
            return self._index.buckets()

    def patch_bucket(self, name: str, edit: Callable[[Bucket], Mapping[str, object]]) -> Bucket:
        """`edit` gives the new settings; it is called under the lock, so it must be quick and pure."""
        with self._index.transaction():
            before = self._bucket(name)
            after = replace(
                before, settings=edit(before), metageneration=before.metageneration + 1, updated=self._now()
            )
            self._index.put_bucket(after)
        return after

    def delete_bucket(self, name: str) -> None:
        with self._index.transaction():
            self._bucket(name)
            if not self._index.is_empty(name):
                raise Conflict("The bucket you tried to delete is not empty.")
            self._index.remove_bucket(name)

    def delete_bucket_and_objects(self, name: str) -> None:
        """As a Blob container goes: with all that is in it, and no change announced."""
        with self._index.transaction():
            self._bucket(name)
            gone = self._index.remove_objects(name)
            self._index.remove_bucket(name)
        for generation in gone:
            (self._data / str(generation)).unlink()

    # reading

    def get(
        self, bucket: str, name: str, generation: int | None = None, conditions: Conditions = ALWAYS
    ) -> StoredObject:
        with self._index.transaction():
            stored = self._find(bucket, name, generation)
        conditions.check_read(stored)
        return stored

    def open(
        self, bucket: str, name: str, generation: int | None = None, conditions: Conditions = ALWAYS
    ) -> tuple[StoredObject, BinaryIO]:
        """The object and its bytes, which stay readable if the object is deleted meanwhile. The caller closes them."""
        with self._index.transaction():
            stored = self._find(bucket, name, generation)
            conditions.check_read(stored)
            return stored, self._file(stored).open("rb")

    def page(self, bucket: str, query: Query) -> Page:
        with self._index.transaction():
            self._bucket(bucket)
            return page_of(partial(self._index.scan, bucket, versions=query.versions), query)

    # writing

    def receive(self) -> Partial:
        """A place for the bytes of an upload, to be given to `put`, or discarded."""
        return Partial(self._partial / uuid.uuid4().hex)

    def check_put(self, bucket: str, name: str, conditions: Conditions) -> None:
        """Would `put` be refused now? A long upload asks before its first byte; `put` asks again."""
        self._names.check_object(name)
        with self._index.transaction():
            self._bucket(bucket)
            conditions.check_write(self._index.live(bucket, name))

    def put(
        self,
        bucket: str,
        name: str,
        content: Content,
        description: Description,
        conditions: Conditions = ALWAYS,
        *,
        components: int | None = None,
        told: Mapping[str, str] = NOTHING,
    ) -> StoredObject:
        """Make the bytes the live generation of the name.

        `components` is set for a composed object; `told` goes with the announcement.
        """
        self._names.check_object(name)
        _check_claims(content, description)
        with self._index.transaction():
            versioned = self._bucket(bucket).versioned
            before = self._index.live(bucket, name)
            conditions.check_write(before)
            now = self._now()
            stored = StoredObject(
                bucket=bucket,
                name=name,
                generation=self._index.next_generation(now),
                metageneration=1,
                size=content.size,
                crc32c=content.crc32c,
                md5=content.md5 if components is None else None,
                created=now,
                updated=now,
                deleted=None,
                components=components,
                attributes=description.attributes,
                metadata=description.metadata,
            )
            overwrote = {"overwroteGeneration": str(before.generation)} if before else {}
            changes = [_change("finalized", stored, now, {**overwrote, **told})]
            if before:
                overwritten = {"overwrittenByGeneration": str(stored.generation)}
                changes.append(self._retire(before, now, overwritten, archive=versioned))
            self._index.put(stored)
            content.become(self._file(stored))
            untold = self._withhold(changes)
        if before and not versioned:
            self._file(before).unlink()
        self._tell(untold)
        return stored

    def compose(
        self,
        sources: Iterable[Source],
        bucket: str,
        name: str,
        describe: Callable[[StoredObject], Description],
        conditions: Conditions = ALWAYS,
    ) -> StoredObject:
        """One object of the bytes of others, end to end; `describe` gets the first of them."""
        found, content = self._concatenate(sources)
        with content:
            components = sum(source.components or 1 for source in found)
            return self.put(bucket, name, content, describe(found[0]), conditions, components=components)

    def copy(
        self,
        source: Source,
        bucket: str,
        name: str,
        describe: Callable[[StoredObject], Description],
        conditions: Conditions = ALWAYS,
        *,
        told: Mapping[str, str] = NOTHING,
    ) -> StoredObject:
        (found,), content = self._concatenate([source])
        with content:
            return self.put(bucket, name, content, describe(found), conditions, components=found.components, told=told)

    def patch(
        self,
        bucket: str,
        name: str,
        edit: Callable[[StoredObject], Description],
        generation: int | None = None,
        conditions: Conditions = ALWAYS,
    ) -> StoredObject:
        """Describe an object anew. `edit` is called under the lock, so it must be quick and pure."""
        with self._index.transaction():
            before = self._find(bucket, name, generation)
            conditions.check_write(before)
            now, description = self._now(), edit(before)
            after = replace(
                before,
                metageneration=before.metageneration + 1,
                updated=now,
                attributes=description.attributes,
                metadata=description.metadata,
            )
            self._index.put(after)
            untold = self._withhold([_change("metadataUpdated", after, now, {})])
        self._tell(untold)
        return after

    def delete(self, bucket: str, name: str, generation: int | None = None, conditions: Conditions = ALWAYS) -> None:
        """Delete for good; the live one of a versioned bucket is only archived, unless its generation is given."""
        with self._index.transaction():
            stored = self._find(bucket, name, generation)
            conditions.check_write(stored)
            archive = generation is None and self._bucket(bucket).versioned
            untold = self._withhold([self._retire(stored, self._now(), {}, archive=archive)])
        if not archive:
            self._file(stored).unlink()
        self._tell(untold)

    # inside

    def _bucket(self, name: str) -> Bucket:
        bucket = self._index.bucket(name)
        if bucket is None:
            raise NoBucket("The specified bucket does not exist.")
        return bucket

    def _find(self, bucket: str, name: str, generation: int | None) -> StoredObject:
        self._bucket(bucket)
        found = self._index.live(bucket, name) if generation is None else self._index.version(bucket, name, generation)
        if found is None:
            raise NoObject(f"No such object: {bucket}/{name}")
        return found

    def _retire(
        self, stored: StoredObject, now: datetime, attributes: dict[str, str], *, archive: bool
    ) -> ObjectChange:
        if not archive:
            self._index.remove(stored)
            return _change("deleted", stored, now, attributes)
        archived = replace(stored, deleted=now)
        self._index.put(archived)
        return _change("archived", archived, now, attributes)

    def _concatenate(self, sources: Iterable[Source]) -> tuple[list[StoredObject], Partial]:
        """The bytes are copied outside the lock: a generation never changes, and an open file outlives its name."""
        with ExitStack() as stack:
            found: list[StoredObject] = []
            content = self.receive()
            stack.callback(content.discard)
            for source in sources:
                stored, file = self.open(source.bucket, source.name, source.generation, source.conditions)
                found.append(stored)
                with file:
                    while chunk := file.read(CHUNK):
                        content.write(chunk)
            stack.pop_all()
            return found, content

    def _file(self, stored: StoredObject) -> Path:
        return self._data / str(stored.generation)

    def _withhold(self, changes: Iterable[ObjectChange]) -> list[tuple[int, ObjectChange]]:
        """Keep those that somebody is to hear of until `_tell` has told them."""
        return [(self._index.add_change(it), it) for it in changes if self.announces(str(it.resource["bucket"]))]

    def _tell(self, changes: Iterable[tuple[int, ObjectChange]]) -> None:
        for key, change in changes:
            if self.announces(str(change.resource["bucket"])):  # not so if nobody listens since the crash
                self._announce(change)
            with self._index.transaction():
                self._index.remove_change(key)

    def _recover(self) -> None:
        with self._index.transaction():
            known = {str(generation) for generation in self._index.generations()}
            changes = self._index.changes()
        for orphan in self._data.iterdir():
            if orphan.name not in known:
                orphan.unlink()
        for unfinished in self._partial.iterdir():
            unfinished.unlink()
        self._tell(changes)


def _change(kind: ChangeKind, stored: StoredObject, now: datetime, attributes: dict[str, str]) -> ObjectChange:
    return ObjectChange(kind, object_resource(stored), attributes, now)


def _check_claims(content: Content, description: Description) -> None:
    for label, claimed, actual in (
        ("CRC32C", description.crc32c, content.crc32c),
        ("MD5", description.md5, content.md5),
    ):
        if claimed is not None and claimed != actual:
            raise ChecksumDiffers(
                f'Provided {label} hash "{claimed}" doesn\'t match calculated {label} hash "{actual}".'
            )
