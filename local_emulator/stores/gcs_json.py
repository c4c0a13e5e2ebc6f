"""Cloud Storage's JSON API over the emulator's objects: buckets, objects, downloads, uploads, batches.

Reference: https://cloud.google.com/storage/docs/json_api/v1. Not emulated: access control, holds and retention, soft
delete, notification configurations (the emulator delivers changes itself), `fields` (an answer is always whole), and
unpacking an object whose contentEncoding is gzip for a client that does not take it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from retrigger.local_emulator.stores.conditions import Preconditions
from retrigger.local_emulator.stores.errors import Invalid, NotAllowed, NotEmulated, NotFound, NotModified
from retrigger.local_emulator.stores.gcs_batch import batch_response
from retrigger.local_emulator.stores.gcs_describe import (
    bucket_settings,
    copied,
    described,
    patched,
    patched_settings,
)
from retrigger.local_emulator.stores.gcs_http import JSON_LIMIT, RawRoute, error_response, json_response, unquoted
from retrigger.local_emulator.stores.gcs_media import media
from retrigger.local_emulator.stores.gcs_upload import Uploads
from retrigger.local_emulator.stores.listing import MOST, Query
from retrigger.local_emulator.stores.objects import Source
from retrigger.local_emulator.stores.resource import bucket_resource, object_resource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.routing import BaseRoute

    from retrigger.local_emulator.stores.gcs_http import Body, Call
    from retrigger.local_emulator.stores.objects import Objects
    from retrigger.local_emulator.stores.resource import Description, StoredObject

    Handler = Callable[["JsonFace", Call], Response]

BATCH_LIMIT = 10 * 1024 * 1024
_COMPOSE_LIMIT = 32


def routes(objects: Objects) -> list[BaseRoute]:
    """Everything that a client of `STORAGE_EMULATOR_HOST` calls. Upload sessions live as long as these routes."""
    face = JsonFace(objects)
    uploads = Uploads(objects)

    async def single(call: Call, body: Body) -> Response:
        whole = replace(call, body=await body.read(JSON_LIMIT))
        return await run_in_threadpool(face.answer, whole)

    async def batch(call: Call, body: Body) -> Response:
        whole = replace(call, body=await body.read(BATCH_LIMIT))
        return await run_in_threadpool(batch_response, whole, face.answer)

    return [
        RawRoute(r"(/resumable)?/upload/storage/v1/.*", uploads.respond, error_response),
        RawRoute(r"/batch/storage/v1", batch, error_response),
        RawRoute(r"(/download)?/storage/v1/.*", single, error_response),
    ]


class JsonFace:
    """The calls whose request is small. A handler raises StoreError for what it refuses."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def answer(self, call: Call) -> Response:
        """Find the call's handler by its raw path and method, and answer."""
        for pattern, methods in _CALLS:
            found = pattern.fullmatch(call.path)
            if not found:
                continue
            handler = methods.get(call.method)
            if handler is None:
                raise NotAllowed(f"{call.method} is not a method of this path; it has {', '.join(methods)}.")
            names = {key: unquoted(value) for key, value in found.groupdict().items() if value is not None}
            return handler(self, replace(call, names=names))
        raise NotFound("No such path in the JSON API; an object's name is percent-encoded whole, its slashes too.")

    # buckets

    def insert_bucket(self, call: Call) -> Response:
        resource = call.json()
        name = resource.get("name")
        if not isinstance(name, str):
            raise Invalid("Required: the bucket's name, as text.")
        return json_response(bucket_resource(self._objects.insert_bucket(name, bucket_settings(resource)), call.base))

    def list_buckets(self, call: Call) -> Response:
        prefix = call.query.get("prefix", "")
        found = [bucket for bucket in self._objects.buckets() if bucket.name.startswith(prefix)]
        return json_response(
            {"kind": "storage#buckets", "items": [bucket_resource(bucket, call.base) for bucket in found]}
        )

    def get_bucket(self, call: Call) -> Response:
        return json_response(bucket_resource(self._objects.bucket(call.names["bucket"]), call.base))

    def patch_bucket(self, call: Call) -> Response:
        resource = call.json()
        bucket = self._objects.patch_bucket(call.names["bucket"], lambda before: patched_settings(before, resource))
        return json_response(bucket_resource(bucket, call.base))

    def delete_bucket(self, call: Call) -> Response:
        self._objects.delete_bucket(call.names["bucket"])
        return Response(status_code=204)

    # objects

    def list_objects(self, call: Call) -> Response:
        page = self._objects.page(call.names["bucket"], _list_query(call))
        content: dict[str, object] = {"kind": "storage#objects"}
        if page.objects:
            content["items"] = [object_resource(stored, call.base) for stored in page.objects]
        if page.prefixes:
            content["prefixes"] = page.prefixes
        if page.token:
            content["nextPageToken"] = page.token
        return json_response(content)

    def get_object(self, call: Call) -> Response:
        bucket, name = call.names["bucket"], call.names["object"]
        stored = self._objects.get(bucket, name, call.integer("generation"), call.preconditions())
        if stored.etag in re.findall(r'[^\s",]+', call.headers.get("if-none-match", "")):
            raise NotModified("The object is the one that you have.")
        if call.query.get("alt") != "media" and "download" not in call.names:
            return json_response(object_resource(stored, call.base))
        return media(*self._objects.open(bucket, name, stored.generation), call.headers.get("range"))

    def delete_object(self, call: Call) -> Response:
        self._objects.delete(
            call.names["bucket"], call.names["object"], call.integer("generation"), call.preconditions()
        )
        return Response(status_code=204)

    def patch_object(self, call: Call) -> Response:
        resource = call.json()
        return self._edit(call, lambda stored: patched(stored, resource))

    def update_object(self, call: Call) -> Response:
        description = described(call.json())
        return self._edit(call, lambda _stored: description)

    def copy_object(self, call: Call) -> Response:
        return json_response(self._copy(call))

    def rewrite_object(self, call: Call) -> Response:
        """One call always copies the whole object: a rewrite token is never needed."""
        resource = self._copy(call)
        size = resource["size"]
        return json_response(
            {
                "kind": "storage#rewriteResponse",
                "totalBytesRewritten": size,
                "objectSize": size,
                "done": True,
                "resource": resource,
            }
        )

    def compose_object(self, call: Call) -> Response:
        resource = call.json()
        destination = resource.get("destination") or {}
        if not isinstance(destination, dict):
            raise Invalid("Invalid value for destination: it is an object resource.")
        sources = _compose_sources(call.names["bucket"], resource.get("sourceObjects"))
        stored = self._objects.compose(
            sources,
            call.names["bucket"],
            call.names["object"],
            lambda first: described(destination, first.content_type),
            call.preconditions(),
        )
        return json_response(object_resource(stored, call.base))

    # inside

    def _edit(self, call: Call, edit: Callable[[StoredObject], Description]) -> Response:
        stored = self._objects.patch(
            call.names["bucket"], call.names["object"], edit, call.integer("generation"), call.preconditions()
        )
        return json_response(object_resource(stored, call.base))

    def _copy(self, call: Call) -> dict[str, object]:
        resource = call.json()
        source = Source(
            call.names["bucket"],
            call.names["object"],
            call.integer("sourceGeneration"),
            call.preconditions("Source"),
        )
        stored = self._objects.copy(
            source,
            call.names["to_bucket"],
            call.names["to_object"],
            lambda found: copied(found, resource),
            call.preconditions(),
        )
        return object_resource(stored, call.base)


_BUCKETS = r"/storage/v1/b"
_BUCKET = rf"{_BUCKETS}/(?P<bucket>[^/]+)"
_OBJECT = rf"{_BUCKET}/o/(?P<object>[^/]+)"
_TO = r"b/(?P<to_bucket>[^/]+)/o/(?P<to_object>[^/]+)"

_CALLS: tuple[tuple[re.Pattern[str], Mapping[str, Handler]], ...] = (
    (re.compile(_BUCKETS), {"GET": JsonFace.list_buckets, "POST": JsonFace.insert_bucket}),
    (
        re.compile(_BUCKET),
        {"GET": JsonFace.get_bucket, "PATCH": JsonFace.patch_bucket, "DELETE": JsonFace.delete_bucket},
    ),
    (re.compile(rf"{_BUCKET}/o"), {"GET": JsonFace.list_objects}),
    (
        re.compile(_OBJECT),
        {
            "GET": JsonFace.get_object,
            "PATCH": JsonFace.patch_object,
            "PUT": JsonFace.update_object,
            "DELETE": JsonFace.delete_object,
        },
    ),
    (re.compile(rf"(?P<download>/download){_OBJECT}"), {"GET": JsonFace.get_object}),
    (re.compile(rf"{_OBJECT}/copyTo/{_TO}"), {"POST": JsonFace.copy_object}),
    (re.compile(rf"{_OBJECT}/rewriteTo/{_TO}"), {"POST": JsonFace.rewrite_object}),
    (re.compile(rf"{_OBJECT}/compose"), {"POST": JsonFace.compose_object}),
)


def _list_query(call: Call) -> Query:
    for parameter in ("matchGlob", "filter"):
        if parameter in call.query:
            raise NotEmulated(f"The emulator does not know {parameter}; list by prefix and filter what comes.")
    if call.boolean("softDeleted"):
        raise NotEmulated("The emulator deletes at once: it has no soft-deleted objects to list.")
    limit = call.integer("maxResults")
    if limit is not None and limit < 1:
        raise Invalid("Invalid value for maxResults: it is at least 1.")
    return Query(
        prefix=call.query.get("prefix", ""),
        delimiter=call.query.get("delimiter", ""),
        start=call.query.get("startOffset", ""),
        end=call.query.get("endOffset", ""),
        versions=call.boolean("versions"),
        include_trailing_delimiter=call.boolean("includeTrailingDelimiter"),
        limit=min(limit or MOST, MOST),
        token=call.query.get("pageToken") or None,
    )


def _compose_sources(bucket: str, listed: object) -> list[Source]:
    if not isinstance(listed, list) or not 1 <= len(listed) <= _COMPOSE_LIMIT:
        raise Invalid(f"sourceObjects is a list of 1 to {_COMPOSE_LIMIT} objects.")
    return [_compose_source(bucket, entry) for entry in listed]


def _compose_source(bucket: str, entry: object) -> Source:
    match entry:
        case {"name": str(name), **rest}:
            generation = _generation(rest.get("generation"))
        case _:
            raise Invalid("Each of sourceObjects needs a name.")
    match rest.get("objectPreconditions"):
        case None:
            return Source(bucket, name, generation)
        case {"ifGenerationMatch": wanted}:
            return Source(bucket, name, generation, Preconditions(generation=_generation(wanted)))
        case _:
            raise Invalid("objectPreconditions of a source is {ifGenerationMatch: …}.")


def _generation(value: object) -> int | None:
    """Accept a generation as JSON carries it: a number, or its digits as text."""
    match value:
        case None:
            return None
        case int(number) | str(number) if re.fullmatch("[0-9]{1,18}", str(number)):
            return int(number)
        case _:
            raise Invalid("A generation is a whole number.")
