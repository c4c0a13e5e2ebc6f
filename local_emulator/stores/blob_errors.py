"""What Blob calls that which the stores refuse, and how it shows it.

Codes: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes. The header `x-ms-error-code`
says it where there is no body to say it in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from starlette.responses import Response

from retrigger.local_emulator.stores import errors
from retrigger.local_emulator.stores.errors import Conflict, Invalid, NotFound, RangeNotSatisfiable, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES: Mapping[type[StoreError], str] = {
    errors.ChecksumDiffers: "Md5Mismatch",
    errors.Conflict: "ContainerAlreadyExists",
    errors.Failed: "InternalError",
    errors.Invalid: "InvalidInput",
    errors.InvalidName: "InvalidResourceName",
    errors.NoBucket: "ContainerNotFound",
    errors.NoObject: "BlobNotFound",
    errors.NotAllowed: "UnsupportedHttpVerb",
    errors.NotEmulated: "NotImplemented",
    errors.NotFound: "ResourceNotFound",
    errors.NotModified: "ConditionNotMet",
    errors.PreconditionFailed: "ConditionNotMet",
    errors.RangeNotSatisfiable: "InvalidRange",
    errors.TooLarge: "RequestBodyTooLarge",
}


class Rejected(Invalid):
    """400, with Blob's own word for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BlobAlreadyExists(Conflict):
    """409: what `If-None-Match: *` gives to all but the first."""


class TooManyBlocks(Conflict):
    """409: more uncommitted blocks than a blob may have."""


class CannotVerifyCopySource(NotFound):
    """404: what was to be copied is not there, or not ours."""


def code_of(error: StoreError) -> str:
    match error:
        case Rejected(code=code):
            return code
        case BlobAlreadyExists():
            return "BlobAlreadyExists"
        case TooManyBlocks():
            return "BlockCountExceedsLimit"
        case CannotVerifyCopySource():
            return "CannotVerifyCopySource"
        case _:
            return _CODES[type(error)]


def error_response(error: StoreError) -> Response:
    return refused(error, code_of(error))


def refused(error: StoreError, code: str) -> Response:
    """In the shape that all storage services share, under the service's own word for it."""
    headers = {"x-ms-error-code": code}
    if error.status == 304:
        return Response(status_code=304, headers=headers)
    if isinstance(error, RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.size}"
    body = f"<Error><Code>{code}</Code><Message>{escape(_printable(str(error)))}</Message></Error>"
    text = f'<?xml version="1.0" encoding="utf-8"?>{body}'
    return Response(text.encode(), error.status, headers, media_type="application/xml")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
