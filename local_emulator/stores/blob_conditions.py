"""Blob's conditional headers, and the ETag that they speak of.

Semantics: https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

from retrigger.local_emulator.stores.blob_errors import BlobAlreadyExists, Rejected
from retrigger.local_emulator.stores.errors import NotModified, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.local_emulator.stores.resource import StoredObject


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobConditions:
    """None asks nothing. ETags without their quotes, `*` for any; times to the second, as HTTP has them."""

    match: str | None = None
    none_match: str | None = None
    modified_since: datetime | None = None
    unmodified_since: datetime | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str], prefix: str = "") -> BlobConditions:
        """With prefix `x-ms-source-` those of a copy's source. Errors: Rejected."""
        return cls(
            match=_etag(headers.get(f"{prefix}if-match")),
            none_match=_etag(headers.get(f"{prefix}if-none-match")),
            modified_since=_time(headers.get(f"{prefix}if-modified-since")),
            unmodified_since=_time(headers.get(f"{prefix}if-unmodified-since")),
        )

    def check_write(self, current: StoredObject | None) -> None:
        """Errors: BlobAlreadyExists, PreconditionFailed."""
        if current is not None and self.none_match == "*":
            raise BlobAlreadyExists("The specified blob already exists.")
        if not self._is_expected(current) or self._is_known(current):
            raise PreconditionFailed("The condition specified using HTTP conditional header(s) is not met.")

    def check_read(self, current: StoredObject) -> None:
        """Errors: PreconditionFailed; NotModified for the two by which a cache asks."""
        if not self._is_expected(current):
            raise PreconditionFailed("The condition specified using HTTP conditional header(s) is not met.")
        if self._is_known(current):
            raise NotModified("The blob is the one that you have.")

    def _is_expected(self, current: StoredObject | None) -> bool:
        """What If-Match and If-Unmodified-Since ask for."""
        if current is None:
            return self.match is None
        if self.match not in {None, "*", etag_of(current)}:
            return False
        return self.unmodified_since is None or _to_the_second(current.updated) <= self.unmodified_since

    def _is_known(self, current: StoredObject | None) -> bool:
        """What If-None-Match and If-Modified-Since rule out."""
        if current is None:
            return False
        if self.none_match in {"*", etag_of(current)}:
            return True
        return self.modified_since is not None and _to_the_second(current.updated) <= self.modified_since


def etag_of(stored: StoredObject) -> str:
    """Without quotes. No two states of any blob share one: generations never repeat, and have 13 digits until 2112."""
    return numbered_etag(stored.generation, stored.metageneration)


def numbered_etag(generation: int, metageneration: int) -> str:
    return f"0x{generation:013X}{metageneration:04X}"


def http_date(time: datetime) -> str:
    return format_datetime(time.astimezone(UTC), usegmt=True)


def _to_the_second(time: datetime) -> datetime:
    return time.replace(microsecond=0)


def _etag(value: str | None) -> str | None:
    return None if value is None else value.strip().strip('"')


def _time(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        time = parsedate_to_datetime(value)
    except ValueError as error:
        raise Rejected("InvalidHeaderValue", "A conditional header is no HTTP date.") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
