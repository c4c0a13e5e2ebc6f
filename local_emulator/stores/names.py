"""Which names a bucket and an object may have, in Cloud Storage and in Blob.

Rules: https://cloud.google.com/storage/docs/buckets#naming and https://cloud.google.com/storage/docs/objects#naming;
https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrigger.local_emulator.stores.errors import InvalidName

if TYPE_CHECKING:
    from collections.abc import Callable

_BUCKET = re.compile(r"(?=.{3,222}\Z)[a-z0-9][a-z0-9_-]{0,62}(\.[a-z0-9_-]{1,63})*(?<=[a-z0-9])", re.ASCII)
_CONTAINER = re.compile(r"[a-z0-9]{3,24}/(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


def check_bucket_name(name: str) -> None:
    """Errors: InvalidName."""
    if not _BUCKET.fullmatch(name):
        raise InvalidName(
            f"Invalid bucket name: '{name[:80]}': 3 to 63 lower-case letters, digits, '-', '_' and dots, "
            "beginning and ending with a letter or digit."
        )


def check_object_name(name: str) -> None:
    """Errors: InvalidName."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError as error:
        raise InvalidName("An object name must be valid Unicode.") from error
    if not 1 <= length <= 1024:
        raise InvalidName(f"An object name must have 1 to 1024 bytes in UTF-8; this one has {length}.")
    if name in {".", ".."} or name.startswith(".well-known/acme-challenge/") or "\r" in name or "\n" in name:
        raise InvalidName(
            f"Invalid object name: {name[:80]!r}: no '.', '..', line break or '.well-known/acme-challenge/'."
        )


def check_container_name(name: str) -> None:
    """An account and a container in it: ACCOUNT/CONTAINER. Errors: InvalidName."""
    if not _CONTAINER.fullmatch(name):
        raise InvalidName(
            f"Invalid container name: '{name[:100]}': an account has 3 to 24 lower-case letters and digits, "
            "a container 3 to 63, and between them single '-'."
        )


def check_blob_name(name: str) -> None:
    """Errors: InvalidName."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidName("A blob's name must be valid Unicode.") from error
    if not 1 <= len(name) <= 1024:
        raise InvalidName(f"A blob's name must have 1 to 1024 characters; this one has {len(name)}.")


@dataclass(frozen=True, slots=True)
class Names:
    """One cloud's rules: each raises InvalidName for a name that it does not allow."""

    check_bucket: Callable[[str], None]
    check_object: Callable[[str], None]


GCS = Names(check_bucket_name, check_object_name)
BLOB = Names(check_container_name, check_blob_name)
