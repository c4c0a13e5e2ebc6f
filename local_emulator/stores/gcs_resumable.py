"""Resumable uploads: one object in several requests, each of which may be lost and repeated.

Protocol: https://cloud.google.com/storage/docs/performing-resumable-uploads. Sessions are forgotten when the emulator
stops, and the oldest when there are too many; the client then gets 404, which tells it to start again.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from retrigger.local_emulator.stores.errors import Invalid, NotFound, StoreError
from retrigger.local_emulator.stores.gcs_describe import describe_upload, object_name, with_hashes
from retrigger.local_emulator.stores.gcs_http import JSON_LIMIT, json_response
from retrigger.local_emulator.stores.resource import object_resource

if TYPE_CHECKING:
    from retrigger.local_emulator.stores.conditions import Preconditions
    from retrigger.local_emulator.stores.gcs_http import Body, Call
    from retrigger.local_emulator.stores.objects import Objects
    from retrigger.local_emulator.stores.partial import Partial
    from retrigger.local_emulator.stores.resource import Description, StoredObject

MOST_SESSIONS = 10_000


@dataclass(slots=True)
class _Session:
    """A resumable upload. `total` is the size announced at its start, if any; `stored` is set once it is an object."""

    bucket: str
    name: str
    description: Description
    conditions: Preconditions
    total: int | None
    content: Partial
    stored: StoredObject | None = None
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)


class ResumableUploads:
    """The sessions under way, and the last ones that ended."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._sessions: dict[str, _Session] = {}

    async def start(self, call: Call, body: Body, bucket: str) -> Response:
        resource = replace(call, body=await body.read(JSON_LIMIT)).json()
        name, conditions = object_name(call, resource), call.preconditions()
        await run_in_threadpool(self._objects.check_put, bucket, name, conditions)
        identity = uuid.uuid4().hex
        self._sessions[identity] = _Session(
            bucket=bucket,
            name=name,
            description=describe_upload(call, resource, call.headers.get("x-upload-content-type")),
            conditions=conditions,
            total=_announced(call.headers.get("x-upload-content-length")),
            content=self._objects.receive(),
        )
        self._forget_oldest()
        location = f"{call.base}/upload/storage/v1/b/{quote(bucket)}/o?uploadType=resumable&upload_id={identity}"
        return Response(status_code=200, headers={"Location": location, "X-GUploader-UploadID": identity})

    def _forget_oldest(self) -> None:
        if len(self._sessions) > MOST_SESSIONS:
            idle = next(identity for identity, session in self._sessions.items() if not session.busy.locked())
            self._sessions.pop(idle).content.discard()

    async def proceed(self, call: Call, body: Body, identity: str) -> Response:
        session = self._sessions.get(identity)
        if session is None:
            raise NotFound("No such upload: it was cancelled or forgotten; start it again.")
        async with session.busy:
            if self._sessions.get(identity) is not session:
                raise NotFound("No such upload: it was cancelled or forgotten; start it again.")
            if call.method == "DELETE":
                self._sessions.pop(identity).content.discard()
                return Response(status_code=499)
            if session.stored is None:
                await self._continue(call, body, identity, session)
            if session.stored is None:
                received = session.content.size
                return Response(status_code=308, headers={"Range": f"bytes=0-{received - 1}"} if received else {})
        return json_response(object_resource(session.stored, call.base))

    async def _continue(self, call: Call, body: Body, identity: str, session: _Session) -> None:
        """Take the bytes of one step, and make the object when they are all there."""
        step = _step(call.headers.get("content-range"), session)
        if step.first is not None:
            await _append(session.content, body, step)
        if session.content.size != step.total and not step.whole:
            return
        description = with_hashes(session.description, call.headers.get("x-goog-hash"))
        try:
            session.stored = await run_in_threadpool(
                self._objects.put, session.bucket, session.name, session.content, description, session.conditions
            )
        except StoreError:
            # The bytes or the object's rival will not change: the upload is over.
            self._sessions.pop(identity).content.discard()
            raise


@dataclass(frozen=True, slots=True)
class _Step:
    """What a PUT carries: bytes `first` to `last` (None: to the end of the body); or, with no `first`, a question."""

    first: int | None
    last: int | None
    total: int | None

    @property
    def whole(self) -> bool:
        """Without a Content-Range the body is the whole object, however long it is."""
        return self.first is not None and self.last is None


def _step(content_range: str | None, session: _Session) -> _Step:
    """Errors: Invalid if the range cannot be, leaves a gap, or contradicts the size announced before."""
    if content_range is None:
        return _Step(0, None, session.total)
    found = re.fullmatch(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/(?:([0-9]{1,18})|\*)", content_range)
    if not found:
        raise Invalid(f"Invalid Content-Range: {content_range[:80]!r}.")
    first, last, total = (None if text is None else int(text) for text in found.groups())
    if session.total is not None and total not in {None, session.total}:
        raise Invalid(f"The upload was announced with {session.total} bytes, not {total}.")
    total = session.total if total is None else total
    if first is not None and last is not None:
        if last < first or (total is not None and last >= total):
            raise Invalid(f"Invalid Content-Range: {content_range[:80]!r}.")
        if first > session.content.size:
            raise Invalid(f"The upload has {session.content.size} bytes so far: go on from there, not from {first}.")
    return _Step(first, last, total)


async def _append(content: Partial, body: Body, step: _Step) -> None:
    """Write what is new of the body. What a lost connection brought stays: the client asks how much that was."""
    assert step.first is not None
    position = step.first
    async for chunk in body.chunks():
        if step.last is not None and position + len(chunk) > step.last + 1:
            raise Invalid("The body is longer than its Content-Range.")
        fresh = chunk[max(0, content.size - position) :]
        position += len(chunk)
        if fresh:
            content.write(fresh)
    if step.last is not None and position != step.last + 1:
        raise Invalid("The body is shorter than its Content-Range.")
    if step.whole and step.total not in {None, position}:
        raise Invalid(f"The upload was announced with {step.total} bytes, not {position}.")


def _announced(length: str | None) -> int | None:
    if length is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", length):
        raise Invalid("Invalid X-Upload-Content-Length: it is a number of bytes.")
    return int(length)
