"""Uploads: in one body (media), with its resource before it (multipart), or in several requests (resumable).

Protocols: https://cloud.google.com/storage/docs/json_api/v1/objects/insert.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from retrigger.local_emulator.stores.errors import Invalid, NotAllowed, NotFound
from retrigger.local_emulator.stores.gcs_describe import describe_upload, object_name
from retrigger.local_emulator.stores.gcs_http import json_response, parse_json, unquoted
from retrigger.local_emulator.stores.gcs_multipart import read_related
from retrigger.local_emulator.stores.gcs_resumable import ResumableUploads
from retrigger.local_emulator.stores.resource import object_resource

if TYPE_CHECKING:
    from starlette.responses import Response

    from retrigger.local_emulator.stores.gcs_http import Body, Call
    from retrigger.local_emulator.stores.objects import Objects
    from retrigger.local_emulator.stores.partial import Partial
    from retrigger.local_emulator.stores.resource import Description

_PATH = re.compile(r"(?:/resumable)?/upload/storage/v1/b/([^/]+)/o")


class Uploads:
    """All three protocols behind one path, and the sessions of the third."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._resumable = ResumableUploads(objects)

    async def respond(self, call: Call, body: Body) -> Response:
        found = _PATH.fullmatch(call.path)
        if not found:
            raise NotFound("No such path in the JSON API: uploads go to /upload/storage/v1/b/BUCKET/o.")
        bucket = unquoted(found[1])
        match call.method, call.query.get("uploadType"):
            case "PUT" | "DELETE" | "POST", "resumable" if "upload_id" in call.query:
                return await self._resumable.proceed(call, body, call.query["upload_id"])
            case "POST", "media":
                return await self._media(call, body, bucket)
            case "POST", "multipart":
                return await self._multipart(call, body, bucket)
            case "POST", "resumable":
                return await self._resumable.start(call, body, bucket)
            case "POST", _:
                raise Invalid("Invalid value for uploadType: it is media, multipart or resumable.")
            case _:
                raise NotAllowed(f"{call.method} is not a method of this path; it has POST, and PUT for an upload_id.")

    async def _media(self, call: Call, body: Body, bucket: str) -> Response:
        resource = {"contentEncoding": call.query.get("contentEncoding")}
        description = describe_upload(call, resource, call.headers.get("content-type"))
        with self._objects.receive() as content:
            async for chunk in body.chunks():
                content.write(chunk)
            return await self._finish(call, bucket, object_name(call, {}), content, description)

    async def _multipart(self, call: Call, body: Body, bucket: str) -> Response:
        with self._objects.receive() as content:
            text, content_type = await read_related(body.chunks(), call.headers.get("content-type", ""), content)
            resource = parse_json(text)
            description = describe_upload(call, resource, content_type)
            return await self._finish(call, bucket, object_name(call, resource), content, description)

    async def _finish(self, call: Call, bucket: str, name: str, content: Partial, description: Description) -> Response:
        stored = await run_in_threadpool(self._objects.put, bucket, name, content, description, call.preconditions())
        return json_response(object_resource(stored, call.base))
