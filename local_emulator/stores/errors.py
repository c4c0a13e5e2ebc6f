"""What a store refuses, each with the HTTP status and the reason word that Google's JSON API gives it.

StoreError
├── Invalid              400  the request says something that cannot be
│   ├── InvalidName           what a bucket or an object cannot be called
│   └── ChecksumDiffers       the bytes are not those that the uploader hashed
├── NotFound             404  no such upload or path
│   ├── NoBucket              no such bucket
│   └── NoObject              no such object or generation
├── NotAllowed           405  the path exists, the method does not
├── Conflict             409  the name is taken, or the bucket is not empty
├── PreconditionFailed   412  somebody else was first
├── NotModified          304  a read whose condition says: you have it already
├── TooLarge             413  a body that must fit into memory does not
├── RangeNotSatisfiable  416  the range begins past the end
├── Failed               500  the emulator has a fault
└── NotEmulated          501  the cloud has it, this emulator has not
"""

from __future__ import annotations

from typing import ClassVar


class StoreError(Exception):
    """One sentence of what is wrong; `reason` is the word in Google's error body."""

    status: ClassVar[int]
    reason: ClassVar[str]


class Invalid(StoreError):
    status = 400
    reason = "invalid"


class InvalidName(Invalid):
    pass


class ChecksumDiffers(Invalid):
    pass


class NotFound(StoreError):
    status = 404
    reason = "notFound"


class NoBucket(NotFound):
    pass


class NoObject(NotFound):
    pass


class NotAllowed(StoreError):
    status = 405
    reason = "methodNotAllowed"


class Conflict(StoreError):
    status = 409
    reason = "conflict"


class PreconditionFailed(StoreError):
    status = 412
    reason = "conditionNotMet"


class NotModified(StoreError):
    status = 304
    reason = "notModified"


class TooLarge(StoreError):
    status = 413
    reason = "uploadTooLarge"


class RangeNotSatisfiable(StoreError):
    """`size` is what the object really has, in bytes."""

    status = 416
    reason = "requestedRangeNotSatisfiable"

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message)
        self.size = size


class Failed(StoreError):
    status = 500
    reason = "backendError"


class NotEmulated(StoreError):
    status = 501
    reason = "notImplemented"
