"""Cloud Storage's XML API over the emulator's objects, path-style: what obstore, and any S3-like client, speaks.

Reference: https://cloud.google.com/storage/docs/xml-api/overview. Emulated are objects (PUT, GET, HEAD, DELETE, with
preconditions) and lists of version 2. Everything else says so: buckets, copies, multipart uploads, access control.
"""

from __future__ import annotations

import base64
import re
from contextlib import asynccontextmanager
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote
from xml.sax.saxutils import escape

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from retrigger.local_emulator.stores.conditions import Preconditions
from retrigger.local_emulator.stores.errors import (
    Invalid,
    NoBucket,
    NotAllowed,
    NotEmulated,
    NotModified,
    PreconditionFailed,
    RangeNotSatisfiable,
)
from retrigger.local_emulator.stores.gcs_describe import describe_upload
from retrigger.local_emulator.stores.gcs_http import RawRoute, integer, unquoted
from retrigger.local_emulator.stores.gcs_media import media
from retrigger.local_emulator.stores.listing import MOST, Query
from retrigger.local_emulator.stores.objects import CHUNK
from retrigger.local_emulator.stores.partial import Held
from retrigger.local_emulator.stores.resource import timestamp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.routing import BaseRoute

    from retrigger.local_emulator.stores.errors import StoreError
    from retrigger.local_emulator.stores.gcs_http import Body, Call
    from retrigger.local_emulator.stores.listing import Page
    from retrigger.local_emulator.stores.objects import Objects
    from retrigger.local_emulator.stores.partial import Content
    from retrigger.local_emulator.stores.resource import StoredObject

T = TypeVar("T")

# obstore encodes all but letters and digits, those of a bucket's name too.
_BUCKET: Final = r"(?:[a-z0-9._-]|%2[DdEe]|%5[Ff]){3,222}"
_ATTRIBUTES: Final = {
    "cacheControl": "cache-control",
    "contentDisposition": "content-disposition",
    "contentEncoding": "content-encoding",
    "contentLanguage": "content-language",
    "storageClass": "x-goog-storage-class",
}
_META: Final = "x-goog-meta-"
# What a query may say of one object, and of a bucket; anything else is another operation (`?acl`, `?uploads`, …).
_OF_OBJECT: Final = frozenset({"generation"})
_OF_LIST: Final = frozenset(
    {"list-type", "prefix", "delimiter", "start-after", "continuation-token", "max-keys", "encoding-type"}
)
_CODES: Final = {
    400: "InvalidArgument",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    409: "Conflict",
    412: "PreconditionFailed",
    413: "EntityTooLarge",
    416: "InvalidRange",
    501: "NotImplemented",
}


def routes(objects: Objects) -> list[BaseRoute]:
    """Every path that can begin with a bucket's name: to be served after all others."""
    face = XmlFace(objects)
    return [RawRoute(rf"/{_BUCKET}(/.*)?", face.respond, error_response)]


class XmlFace:
    """One bucket's objects and lists. A handler raises StoreError for what it refuses.

    A call takes less time than handing it to a thread would: it is answered where it arrives, unless somebody is to
    hear of what it changes. A ledger is thousands of small objects that nobody hears of.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def respond(self, call: Call, body: Body) -> Response:
        """Find what is meant by the raw path and the method, and answer."""
        encoded, _, name = call.path.removeprefix("/").partition("/")
        bucket = unquoted(encoded)
        if not name:
            return self._list(call, bucket)
        if unknown := call.query.keys() - _OF_OBJECT:
            raise NotEmulated(f"The emulator's XML API does not know ?{min(unknown)} of an object.")
        match call.method:
            case "PUT":
                return await self._put(call, body, bucket, unquoted(name))
            case "GET":
                return self._get(call, bucket, unquoted(name))
            case "DELETE":
                return await self._delete(call, bucket, unquoted(name))
            case _:
                raise NotAllowed(f"{call.method} is not a method of an object; it has GET, HEAD, PUT, DELETE.")

    async def _put(self, call: Call, body: Body, bucket: str, name: str) -> Response:
        if "x-goog-copy-source" in call.headers:
            raise NotEmulated("The emulator's XML API does not copy: use the JSON API, or read and write.")
        description = describe_upload(call, _resource(call), call.headers.get("content-type"))
        conditions = _preconditions(call)
        async with self._content(call, body) as content:
            put = partial(self._objects.put, bucket, name, content, description, conditions)
            return Response(headers=_identity(await self._change(bucket, put)))

    @asynccontextmanager
    async def _content(self, call: Call, body: Body) -> AsyncIterator[Content]:
        length = integer("content-length", call.headers.get("content-length"))
        if length is not None and length <= CHUNK:
            yield Held(await body.read(CHUNK))
            return
        with self._objects.receive() as content:
            async for chunk in body.chunks():
                content.write(chunk)
            yield content

    def _get(self, call: Call, bucket: str, name: str) -> Response:
        stored, file = self._objects.open(bucket, name, call.integer("generation"), _preconditions(call))
        try:
            _check_etag(call, stored)
        except BaseException:
            file.close()
            raise
        answer = media(stored, file, call.headers.get("range"))
        answer.headers.update(_identity(stored))
        return answer

    async def _delete(self, call: Call, bucket: str, name: str) -> Response:
        generation, conditions = call.integer("generation"), _preconditions(call)
        await self._change(bucket, partial(self._objects.delete, bucket, name, generation, conditions))
        return Response(status_code=204)

    async def _change(self, bucket: str, change: Callable[[], T]) -> T:
        return await run_in_threadpool(change) if self._objects.announces(bucket) else change()

    def _list(self, call: Call, bucket: str) -> Response:
        if call.method != "GET":
            raise NotEmulated("The emulator's XML API has no calls that change a bucket: use the JSON API.")
        if call.query.get("list-type") != "2" or call.query.keys() - _OF_LIST:
            raise NotEmulated("Of a bucket the emulator's XML API has lists alone: ?list-type=2.")
        page = self._objects.page(bucket, _query(call))
        return _xml("ListBucketResult", "".join(_list_elements(call, bucket, page)))


def error_response(error: StoreError) -> Response:
    """Google's XML error. Shape: https://cloud.google.com/storage/docs/xml-api/reference-status."""
    if error.status == 304:
        return Response(status_code=304)
    code = "NoSuchBucket" if isinstance(error, NoBucket) else _CODES[error.status]
    response = _xml("Error", _element("Code", code) + _element("Message", str(error)), error.status)
    if isinstance(error, RangeNotSatisfiable):
        response.headers["Content-Range"] = f"bytes */{error.size}"
    return response


def _preconditions(call: Call) -> Preconditions:
    def number(what: str) -> int | None:
        header = f"x-goog-if-{what}-match"
        return integer(header, call.headers.get(header))

    return Preconditions(generation=number("generation"), metageneration=number("metageneration"))


def _check_etag(call: Call, stored: StoredObject) -> None:
    """`If-Match` and `If-None-Match` of a read. Errors: PreconditionFailed, NotModified."""
    wanted, known = (call.headers.get(header) for header in ("if-match", "if-none-match"))
    if wanted is not None and not _names(wanted, stored):
        raise PreconditionFailed("At least one of the pre-conditions you specified did not hold.")
    if known is not None and _names(known, stored):
        raise NotModified("The object is the one that you have.")


def _names(header: str, stored: StoredObject) -> bool:
    return header.strip() == "*" or _etag(stored).strip('"') in re.findall(r'[^\s",]+', header)


def _resource(call: Call) -> dict[str, object]:
    """What the headers of an upload say of the object, as the JSON API's resource would."""
    texts = {key: call.headers.get(header) for key, header in _ATTRIBUTES.items()}
    custom = {key[len(_META) :]: text for key, text in call.headers.items() if key.startswith(_META)}
    return {"metadata": custom, "md5Hash": call.headers.get("content-md5"), **{k: v for k, v in texts.items() if v}}


def _identity(stored: StoredObject) -> dict[str, str]:
    """Which version of the object it is. `Last-Modified` is in whole seconds, as dates of HTTP are."""
    return {
        "ETag": _etag(stored),
        "Last-Modified": format_datetime(stored.updated, usegmt=True),
        "X-Goog-Generation": str(stored.generation),
        "X-Goog-Metageneration": str(stored.metageneration),
        "X-Goog-Hash": f"crc32c={stored.crc32c}" + (f",md5={stored.md5}" if stored.md5 else ""),
    }


def _etag(stored: StoredObject) -> str:
    """Of the XML API: the content's MD5 where there is one, so that the same bytes have the same ETag again."""
    return f'"{base64.b64decode(stored.md5).hex() if stored.md5 else stored.etag}"'


def _query(call: Call) -> Query:
    limit = call.integer("max-keys")
    if limit is not None and limit < 0:
        raise Invalid("Invalid value for max-keys: it is at least 0.")
    if call.query.get("encoding-type", "url") != "url":
        raise Invalid("Invalid value for encoding-type: it is url.")
    after = call.query.get("start-after", "")
    return Query(
        prefix=call.query.get("prefix", ""),
        delimiter=call.query.get("delimiter", ""),
        start=f"{after}\0" if after else "",  # the least name after it
        limit=min(MOST if limit is None else limit, MOST),
        token=call.query.get("continuation-token") or None,
    )


def _list_elements(call: Call, bucket: str, page: Page) -> Iterator[str]:
    encoded = call.query.get("encoding-type") == "url"

    def name(tag: str, text: str) -> str:
        return _element(tag, quote(text, safe="/") if encoded else text)

    yield _element("Name", bucket)
    yield from (name(tag, call.query[key]) for tag, key in _ECHOED.items() if call.query.get(key))
    yield _element("KeyCount", str(len(page.objects) + len(page.prefixes)))
    yield _element("IsTruncated", "true" if page.token else "false")
    if page.token:
        yield _element("NextContinuationToken", page.token)
    for stored in page.objects:
        yield "<Contents>"
        yield name("Key", stored.name)
        yield _element("Generation", str(stored.generation))
        yield _element("MetaGeneration", str(stored.metageneration))
        yield _element("LastModified", timestamp(stored.updated))
        yield _element("ETag", _etag(stored))
        yield _element("Size", str(stored.size))
        yield "</Contents>"
    for prefix in page.prefixes:
        yield f"<CommonPrefixes>{name('Prefix', prefix)}</CommonPrefixes>"


_ECHOED: Final = {
    "Prefix": "prefix",
    "Delimiter": "delimiter",
    "StartAfter": "start-after",
    "ContinuationToken": "continuation-token",
    "MaxKeys": "max-keys",
    "EncodingType": "encoding-type",
}


def _element(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text)}</{tag}>"


def _xml(tag: str, content: str, status: int = 200) -> Response:
    namespace = "" if tag == "Error" else ' xmlns="http://doc.s3.amazonaws.com/2006-03-01"'
    text = f'<?xml version="1.0" encoding="UTF-8"?><{tag}{namespace}>{content}</{tag}>'
    return Response(text, status, media_type="application/xml; charset=UTF-8")
