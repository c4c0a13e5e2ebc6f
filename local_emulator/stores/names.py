"""Which names a bucket and an object may have.

Rules: https://cloud.google.com/storage/docs/buckets#naming and https://cloud.google.com/storage/docs/objects#naming.
"""

from __future__ import annotations

import re

from retrigger.local_emulator.stores.errors import Invalid

_BUCKET = re.compile(r"(?=.{3,222}\Z)[a-z0-9][a-z0-9_-]{0,62}(\.[a-z0-9_-]{1,63})*(?<=[a-z0-9])", re.ASCII)


def check_bucket_name(name: str) -> None:
    """Errors: Invalid."""
    if not _BUCKET.fullmatch(name):
        raise Invalid(
            f"Invalid bucket name: '{name[:80]}': 3 to 63 lower-case letters, digits, '-', '_' and dots, "
            "beginning and ending with a letter or digit."
        )


def check_object_name(name: str) -> None:
    """Errors: Invalid."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError as error:
        raise Invalid("An object name must be valid Unicode.") from error
    if not 1 <= length <= 1024:
        raise Invalid(f"An object name must have 1 to 1024 bytes in UTF-8; this one has {length}.")
    if name in {".", ".."} or name.startswith(".well-known/acme-challenge/") or "\r" in name or "\n" in name:
        raise Invalid(f"Invalid object name: {name[:80]!r}: no '.', '..', line break or '.well-known/acme-challenge/'.")
