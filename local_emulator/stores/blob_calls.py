"""Blob's calls that have no body to speak of: one method each. They raise StoreError for what they refuse."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import Response

from retrigger.local_emulator.stores import blob_xml
from retrigger.local_emulator.stores.blob_conditions import BlobConditions, http_date
from retrigger.local_emulator.stores.blob_describe import (
    COPY,
    blob_headers,
    copy_headers,
    md5_of,
    metadata,
    metadata_headers,
    version_headers,
    with_md5,
)
from retrigger.local_emulator.stores.blob_errors import CannotVerifyCopySource, Rejected
from retrigger.local_emulator.stores.errors import NotEmulated, NotFound, NotModified, PreconditionFailed
from retrigger.local_emulator.stores.gcs_http import unquoted
from retrigger.local_emulator.stores.gcs_media import ranged
from retrigger.local_emulator.stores.listing import Query
from retrigger.local_emulator.stores.objects import Source
from retrigger.local_emulator.stores.resource import Description

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.local_emulator.stores.gcs_http import Call
    from retrigger.local_emulator.stores.objects import Objects
    from retrigger.local_emulator.stores.resource import Bucket, StoredObject

MOST_LISTED = 5000
_META = "metadata"


class BlobCalls:
    """Of a call's `names`, a container's has `account` and `container`, a blob's `blob` too."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    # containers

    def list_containers(self, call: Call) -> Response:
        account, prefix = call.names["account"], call.query.get("prefix", "")
        limit, marker = _most(call), call.query.get("marker", "")
        first, begin = f"{account}/{marker}", f"{account}/{prefix}"
        found = [it for it in self._objects.buckets() if it.name.startswith(begin) and it.name >= first]
        after = found[limit].name.partition("/")[2] if len(found) > limit else ""
        listed = blob_xml.containers(found[:limit], _asked(call), after, f"{call.base}/{account}/")
        return blob_xml.xml_response(listed)

    def create_container(self, call: Call) -> Response:
        made = self._objects.insert_bucket(_container(call), {_META: metadata(call.headers)})
        return Response(status_code=201, headers=_container_headers(made))

    def get_container(self, call: Call) -> Response:
        found = self._objects.bucket(_container(call))
        return Response(headers={**_container_headers(found), **_LEASE, **metadata_headers(_metadata_of(found))})

    def set_container_metadata(self, call: Call) -> Response:
        found = metadata(call.headers)
        after = self._objects.patch_bucket(_container(call), lambda _: {_META: found})
        return Response(headers=_container_headers(after))

    def delete_container(self, call: Call) -> Response:
        self._objects.delete_bucket_and_objects(_container(call))
        return Response(status_code=202)

    def list_blobs(self, call: Call) -> Response:
        if "startfrom" in {parameter.lower() for parameter in call.query}:
            raise NotEmulated("The emulator does not know startFrom; list by prefix and marker.")
        query = Query(
            prefix=call.query.get("prefix", ""),
            delimiter=call.query.get("delimiter", ""),
            limit=_most(call),
            token=call.query.get("marker") or None,
        )
        page = self._objects.page(_container(call), query)
        place = {"ServiceEndpoint": f"{call.base}/{call.names['account']}/", "ContainerName": call.names["container"]}
        with_metadata = _META in call.query.get("include", "").split(",")
        return blob_xml.xml_response(blob_xml.blobs(page, _asked(call), place, with_metadata=with_metadata))

    # blobs

    def get_blob(self, call: Call) -> Response:
        """GET and HEAD: whoever answers leaves out the body that HEAD does not want."""
        stored, file = self._objects.open(_container(call), call.names["blob"], None, BlobConditions.of(call.headers))
        wanted = call.headers.get("x-ms-range", call.headers.get("range"))
        response = ranged(file, stored.size, wanted, blob_headers(stored))
        if (md5 := md5_of(stored)) is not None:
            response.headers["x-ms-blob-content-md5" if response.status_code == 206 else "Content-MD5"] = md5
        return response

    def get_blob_metadata(self, call: Call) -> Response:
        stored = self._objects.get(_container(call), call.names["blob"], None, BlobConditions.of(call.headers))
        return Response(headers={**version_headers(stored), **metadata_headers(stored.metadata)})

    def set_blob_metadata(self, call: Call) -> Response:
        found = metadata(call.headers)
        return self._edit(call, lambda before: Description(before.attributes, found))

    def set_blob_properties(self, call: Call) -> Response:
        attributes = with_md5(call.headers)
        return self._edit(call, lambda before: Description(attributes, before.metadata))

    def delete_blob(self, call: Call) -> Response:
        conditions = BlobConditions.of(call.headers)
        self._objects.delete(_container(call), call.names["blob"], None, conditions)
        return Response(status_code=202, headers={"x-ms-delete-type-permanent": "true"})

    def copy(self, call: Call) -> Response:
        """Copy Blob, Copy Blob From URL and Put Blob From URL: all are done when they answer."""
        identity = str(uuid.uuid4())
        stored = self._objects.copy(
            self._source(call),
            _container(call),
            call.names["blob"],
            _copied(call.headers, identity),
            BlobConditions.of(call.headers),
            told={"api": "CopyBlob"},
        )
        headers = {**version_headers(stored), **copy_headers(identity)}
        return Response(status_code=201 if "x-ms-blob-type" in call.headers else 202, headers=headers)

    # inside

    def _edit(self, call: Call, edit: Callable[[StoredObject], Description]) -> Response:
        conditions = BlobConditions.of(call.headers)
        stored = self._objects.patch(_container(call), call.names["blob"], edit, None, conditions)
        return Response(headers=version_headers(stored))

    def _source(self, call: Call) -> Source:
        """A blob of this emulator, by its URL here. Errors: CannotVerifyCopySource, PreconditionFailed."""
        url = call.headers["x-ms-copy-source"]
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise Rejected("InvalidHeaderValue", "x-ms-copy-source is no URL.") from error
        account, _, rest = unquoted(parts.path).lstrip("/").partition("/")
        container, _, name = rest.partition("/")
        if f"{parts.scheme}://{parts.netloc}" != call.base or not name:
            raise CannotVerifyCopySource("A copy's source is the URL of a blob of this emulator.")
        bucket, conditions = f"{account}/{container}", BlobConditions.of(call.headers, "x-ms-source-")
        try:
            found = self._objects.get(bucket, name, None, conditions)
        except NotFound as error:
            raise CannotVerifyCopySource("The specified blob does not exist.") from error
        except NotModified as error:
            raise PreconditionFailed("The source is not as the request's condition wants it.") from error
        return Source(bucket, name, found.generation)


_LEASE = {"x-ms-lease-state": "available", "x-ms-lease-status": "unlocked"}


def _container(call: Call) -> str:
    return f"{call.names['account']}/{call.names['container']}"


def _container_headers(it: Bucket) -> dict[str, str]:
    return {"ETag": f'"{blob_xml.container_etag(it)}"', "Last-Modified": http_date(it.updated)}


def _metadata_of(it: Bucket) -> dict[str, str]:
    match it.settings.get(_META):
        case dict(found):
            return found
        case _:
            return {}


def _copied(headers: Mapping[str, str], identity: str) -> Callable[[StoredObject], Description]:
    """The source's description; its metadata only if the request brings none."""
    own = metadata(headers)
    return lambda source: Description({**source.attributes, COPY: identity}, own or source.metadata)


def _most(call: Call) -> int:
    limit = call.integer("maxresults")
    if limit is not None and limit < 1:
        raise Rejected("OutOfRangeQueryParameterValue", "maxresults is at least 1.")
    return min(limit or MOST_LISTED, MOST_LISTED)


def _asked(call: Call) -> dict[str, str]:
    """What a listing repeats of its question."""
    shown = (("prefix", "Prefix"), ("marker", "Marker"), ("delimiter", "Delimiter"))
    repeated = {label: call.query[parameter] for parameter, label in shown if parameter in call.query}
    return {**repeated, "MaxResults": str(_most(call))}
