"""Where a blob lies, as its event tells it: up to three times, in its source, its subject and a URL.

Published events contradict themselves there:

    the account     the source's, else that of the URL's host    note source_and_url_differ
    the container   the subject's, else the URL's                note subject_and_url_differ
    the name        the URL's, decoded once, if they differ      note subject_and_url_differ

A subject's name is exact and never decoded. A URL that has it unencoded agrees with it too.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from retrigger.triggers.environment import PUBLIC_BLOB
from retrigger.triggers.errors import Malformed

MAX_NAME = 1024  # characters, the store's own limit
_SAFE = "/="  # partitions stay readable: churn/dt=2026-03-01/part.csv
_PLAIN = re.compile(r"[A-Za-z0-9/=._~-]*", re.ASCII)
_ACCOUNT = re.compile(r"/providers/Microsoft\.Storage/storageAccounts/([^/]+)", re.IGNORECASE)
_SUBJECT = re.compile(r"/?blobServices/default/containers/([^/]+)/blobs/(.+)", re.DOTALL)
_URL = re.compile(r"https?://([^./]+)\.([^./]+\.)?(?:blob|dfs)\.([^/]+)/([^/]+)/(.+)", re.DOTALL)
# https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-endpoints
_ZONE = re.compile(r"z[0-9]{1,2}\.", re.ASCII)
_CLOUDS = frozenset({"core.windows.net", "core.usgovcloudapi.net", "core.chinacloudapi.cn"})
_ZONED = "storage.azure.net"


class Place(NamedTuple):
    """`suffix` is what follows the account's name in its host: it tells the cloud."""

    account: str
    container: str
    name: str
    suffix: str = PUBLIC_BLOB


def uri(place: Place) -> str:
    """The blob's address at its cloud's blob endpoint, whichever endpoint the event spoke of."""
    path = f"{place.container}/{place.name}"
    return f"{endpoint(place.account, place.suffix)}/{path if _PLAIN.fullmatch(path) else quote(path, safe=_SAFE)}"


def endpoint(account: str, suffix: str = PUBLIC_BLOB) -> str:
    """The account's address. Quoted, an account that came from outside cannot make it another host's."""
    host = account if account.isalnum() and account.isascii() else quote(account, safe="")
    return f"https://{host}.{suffix}"


def account_in(uri: str) -> str:
    """The account's address, of a blob's that `uri` made."""
    return "/".join(uri.split("/", 3)[:3])


def subject(container: str, name: str) -> str:
    """The subject of a blob's events."""
    return f"/blobServices/default/containers/{container}/blobs/{name}"


def read(source: str, subject: str | None, url: str | None) -> tuple[Place, tuple[str, ...]]:
    """The place, and notes of what the event contradicts itself in. Raises Malformed for a part that nothing names.

    Accounts are lower case, however a resource's id is written.
    """
    named = _SUBJECT.fullmatch(subject or "")
    shown = _URL.fullmatch(url or "")
    owner = _ACCOUNT.search(source)
    account = _one_of("account", owner and owner[1].lower(), shown and shown[1].lower())
    decoded = shown and _decoded(shown[4])
    container = _one_of("container", named and named[1], decoded)
    name = _name(named and named[2], shown and shown[5])
    if len(name) > MAX_NAME:
        raise Malformed("The blob's name is over 1,024 characters, which none can be.", code="bad_field")
    notes: tuple[str, ...] = ()
    if shown and shown[1].lower() != account:
        notes += ("source_and_url_differ",)
    if shown and named and (container not in {shown[4], decoded} or name != named[2]):
        notes += ("subject_and_url_differ",)
    return Place(account, container, name, _suffix(shown[2], shown[3]) if shown else PUBLIC_BLOB), notes


def _suffix(zone: str | None, domain: str) -> str:
    """Of the clouds that are known. A host that is none of theirs counts for the public one: it may be anybody's."""
    domain = domain.lower()
    if zone is None and domain in _CLOUDS:
        return f"blob.{domain}"
    if zone is not None and _ZONE.fullmatch(zone) and domain == _ZONED:
        return f"{zone}blob.{domain}"
    return PUBLIC_BLOB


def _name(named: str | None, shown: str | None) -> str:
    decoded = shown and _decoded(shown.partition("?")[0])
    return _one_of("name", *((named, decoded) if named in {shown, decoded} else (decoded, named)))


def _decoded(part: str) -> str | None:
    """A part of a URL's path; None if it is no UTF-8."""
    if "%" not in part:
        return part
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        return None


def _one_of(what: str, *told: str | None) -> str:
    for value in told:
        if value:
            return value
    message = f"The storage event names no {what}: it has no subject of a blob and no data.url; send it with them."
    raise Malformed(message, code="missing_field")
