"""Blob's REST API over the emulator's objects, path-style: /ACCOUNT/CONTAINER/NAME.

Reference: https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api. A bucket of the model is an
account and its container; a generation and its metageneration make the ETag. Any credentials are accepted: SharedKey,
SAS, Bearer. Not emulated: append and page blobs, leases, snapshots, versions, tags, tiers, access policies, the root
container, and the `dfs` endpoint.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from retrigger.local_emulator.stores import blob_xml
from retrigger.local_emulator.stores.blob_batch import BATCH_LIMIT, batch_response
from retrigger.local_emulator.stores.blob_blocks import Blocks
from retrigger.local_emulator.stores.blob_calls import BlobCalls
from retrigger.local_emulator.stores.blob_conditions import BlobConditions
from retrigger.local_emulator.stores.blob_describe import of_blob, of_block_list, version_headers
from retrigger.local_emulator.stores.blob_errors import Rejected, error_response
from retrigger.local_emulator.stores.errors import NotAllowed, NotEmulated, NotFound, StoreError
from retrigger.local_emulator.stores.gcs_http import JSON_LIMIT, Body, Call, RawRoute, unquoted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.routing import BaseRoute

    from retrigger.local_emulator.stores.objects import Objects

Level: TypeAlias = Literal["service", "container", "blob"]
Operation: TypeAlias = tuple[Level, str, str]  # what is meant, the method, and `comp`

_PATH = re.compile(r"/(?P<account>[^/]+)(?:/(?P<container>[^/]+)(?:/(?P<blob>.+))?)?/?", re.DOTALL)
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,1024}")
_BLOCK_LIST_LIMIT = 8 * JSON_LIMIT


def routes(objects: Objects) -> list[BaseRoute]:
    """Everything, on a port of its own: an account may have any name. Staged blocks live as long as these routes."""
    return [RawRoute(r"/.*", BlobFace(objects).respond, error_response)]


class BlobFace:
    """Finds what a request is about, and reads the bodies of those that have one."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._blocks = Blocks(objects)
        self._calls = BlobCalls(objects)

    async def respond(self, call: Call, body: Body) -> Response:
        try:
            response = await self._answer(call, body)
        except StoreError as error:
            response = error_response(error)
        response.headers.update(service_headers(call))
        return response

    async def _answer(self, call: Call, body: Body) -> Response:
        operation, call = _understood(call)
        if (streamed := _STREAMED.get(operation)) is not None:
            return await streamed(self, call, body)
        return await run_in_threadpool(self._simple, operation, call)

    def _simple(self, operation: Operation, call: Call) -> Response:
        answer = _SIMPLE.get(operation)
        if answer is None:
            raise _unknown(operation)
        return answer(self._calls, call)

    async def put_blob(self, call: Call, body: Body) -> Response:
        place, conditions = _place(call), BlobConditions.of(call.headers)
        if "x-ms-copy-source" in call.headers:
            response = await run_in_threadpool(self._calls.copy, call)
            await self._blocks.forget(place)
            return response
        match call.headers.get("x-ms-blob-type"):
            case "BlockBlob":
                description = of_blob(call.headers)
            case "AppendBlob" | "PageBlob" as kind:
                raise NotEmulated(f"The emulator has block blobs only, no {kind}.")
            case _:
                raise Rejected("MissingRequiredHeader", "x-ms-blob-type is missing; a block blob's is BlockBlob.")
        await run_in_threadpool(self._objects.check_put, *place, conditions)
        with self._objects.receive() as content:
            async for chunk in body.chunks():
                content.write(chunk)
            told = {"api": "PutBlob"}
            stored = await run_in_threadpool(self._objects.put, *place, content, description, conditions, told=told)
        await self._blocks.forget(place)
        return Response(status_code=201, headers=_written(version_headers(stored), content.md5))

    async def put_block(self, call: Call, body: Body) -> Response:
        if "x-ms-copy-source" in call.headers:
            raise NotEmulated("The emulator takes a block from its own body only.")
        place = _place(call)
        await run_in_threadpool(self._objects.bucket, place[0])
        block, md5 = call.query.get("blockid", ""), call.headers.get("content-md5")
        content = await self._blocks.stage(place, block, md5, body)
        return Response(status_code=201, headers=_written({}, content.md5))

    async def put_block_list(self, call: Call, body: Body) -> Response:
        wanted = blob_xml.read_block_list(await body.read(_BLOCK_LIST_LIMIT))
        stored = await self._blocks.commit(
            _place(call), wanted, of_block_list(call.headers), BlobConditions.of(call.headers)
        )
        return Response(status_code=201, headers=_written(version_headers(stored), None))

    async def get_block_list(self, call: Call, _: Body) -> Response:
        """Of staged blocks only; a committed blob keeps no borders."""
        place = _place(call)
        uncommitted = self._blocks.uncommitted(place)
        if not uncommitted:
            await run_in_threadpool(self._objects.get, *place)
        return blob_xml.xml_response(blob_xml.blocks(uncommitted))

    async def batch(self, call: Call, body: Body) -> Response:
        whole = replace(call, body=await body.read(BATCH_LIMIT))
        return await run_in_threadpool(batch_response, whole, self._answer_part)

    def _answer_part(self, call: Call) -> Response:
        operation, call = _understood(call)
        response = self._simple(operation, call)
        response.headers.update(service_headers(call))
        return response


_STREAMED: Mapping[Operation, Callable[[BlobFace, Call, Body], Awaitable[Response]]] = {
    ("service", "POST", "batch"): BlobFace.batch,
    ("container", "POST", "batch"): BlobFace.batch,
    ("blob", "PUT", ""): BlobFace.put_blob,
    ("blob", "PUT", "block"): BlobFace.put_block,
    ("blob", "PUT", "blocklist"): BlobFace.put_block_list,
    ("blob", "GET", "blocklist"): BlobFace.get_block_list,
}
_SIMPLE: Mapping[Operation, Callable[[BlobCalls, Call], Response]] = {
    ("service", "GET", "list"): BlobCalls.list_containers,
    ("container", "PUT", ""): BlobCalls.create_container,
    ("container", "GET", ""): BlobCalls.get_container,
    ("container", "GET", "metadata"): BlobCalls.get_container,
    ("container", "PUT", "metadata"): BlobCalls.set_container_metadata,
    ("container", "DELETE", ""): BlobCalls.delete_container,
    ("container", "GET", "list"): BlobCalls.list_blobs,
    ("blob", "GET", ""): BlobCalls.get_blob,
    ("blob", "GET", "metadata"): BlobCalls.get_blob_metadata,
    ("blob", "PUT", "metadata"): BlobCalls.set_blob_metadata,
    ("blob", "PUT", "properties"): BlobCalls.set_blob_properties,
    ("blob", "DELETE", ""): BlobCalls.delete_blob,
}


def _understood(call: Call) -> tuple[Operation, Call]:
    """What a call is about, with its names unquoted. Errors: Invalid, NotFound, NotEmulated."""
    found = _PATH.fullmatch(call.path)
    if found is None:
        raise NotFound("No such path: a blob is at /ACCOUNT/CONTAINER/NAME.")
    names = {key: unquoted(value) for key, value in found.groupdict().items() if value is not None}
    for parameter in ("snapshot", "versionid"):
        if parameter in call.query:
            raise NotEmulated(f"The emulator keeps one version of a blob: it does not know {parameter}.")
    level: Level
    if "blob" in names:
        level = "blob"
    elif "container" not in names:
        level = "service"
    elif call.query.get("restype") == "container":
        level = "container"
    else:
        raise NotFound("The emulator has no root container; a call about a container says restype=container.")
    return (level, call.method, call.query.get("comp", "")), replace(call, names=names)


def _unknown(operation: Operation) -> StoreError:
    level, method, comp = operation
    known = {*_SIMPLE, *_STREAMED}
    if any((level, other, comp) in known for other in ("GET", "PUT", "POST", "DELETE")):
        return NotAllowed(f"{method} is no method of this.")
    return NotEmulated(f"The emulator does not know comp={comp[:40]!r} of a {level}.")


def _place(call: Call) -> tuple[str, str]:
    return f"{call.names['account']}/{call.names['container']}", call.names["blob"]


def _written(headers: dict[str, str], md5: str | None) -> dict[str, str]:
    checksum = {} if md5 is None else {"Content-MD5": md5}
    return {**headers, **checksum, "x-ms-request-server-encrypted": "true"}


def service_headers(call: Call) -> dict[str, str]:
    """What every answer carries: the version that was asked for, an id, and the client's own id."""
    version = call.headers.get("x-ms-version", "")
    headers = {
        "x-ms-request-id": str(uuid.uuid4()),
        "x-ms-version": version if _VERSION.fullmatch(version) else "2021-12-02",
    }
    client_id = call.headers.get("x-ms-client-request-id", "")
    return headers | ({"x-ms-client-request-id": client_id} if _CLIENT_ID.fullmatch(client_id) else {})
