"""Records as objects of a bucket or a container, through obstore: the ledger of deployed functions.

Generations (Cloud Storage) and ETags (Blob Storage) are the compare-and-swap. Every body carries a fresh token: a write
whose answer was lost is recognised by it, and no ETag that is made from content comes back.
https://docs.rs/object_store/latest/object_store/enum.PutMode.html
"""

from __future__ import annotations

import json
import random
import secrets
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from retrigger.handlers.adapters.store_clock import StoreClock
from retrigger.handlers.ports import Entry, Record, in_turn
from retrigger.triggers.errors import Unavailable, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime, timedelta

    from obstore.store import ObjectStore

    from retrigger.triggers.event import Json

_PAGE: Final = 1000
_READ_AT_ONCE: Final = 16
_DELETED_AT_ONCE: Final = 100
# Cloud Storage takes about one write a second to the same object: https://cloud.google.com/storage/quotas#objects
_BUSY: Final = "429 Too Many Requests"
_NO_TOKEN: Final = ("Error performing token request", "'az account get-access-token' command failed")
_BUSY_PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0)


class ObjectRecords:
    """The port `Records`, safe for any number of processes and threads.

    `reads` is the store with retries, `writes` the same without. `version_in`: where the store's metadata has what a
    swap compares. `clock_good_for`: how long the store's clock need not be asked again.
    """

    def __init__(
        self,
        place: str,
        reads: ObjectStore,
        writes: ObjectStore,
        version_in: Literal["version", "e_tag"],
        clock_good_for: timedelta,
    ) -> None:
        self._place = place
        self._reads = reads
        self._writes = writes
        self._version_in = version_in
        self._clock = StoreClock(clock_good_for)

    def get(self, key: str) -> Record | None:
        found = self._read(key)
        return found and found[0]

    def get_many(self, keys: Iterable[str]) -> Iterator[Record]:
        """Some at once: a window's members, of which each is an object, are thousands."""
        from concurrent.futures import ThreadPoolExecutor  # only freezing and the command line pay for it

        left = iter(keys)
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            while some := list(islice(left, _PAGE)):
                yield from (record for record in pool.map(self.get, some) if record is not None)

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        return self._write(key, body, "create")

    create_all = in_turn

    def swap(self, old: Record, body: Mapping[str, Json]) -> Record | None:
        return self._write(old.key, body, {self._version_in: old.version})

    def list(self, prefix: str, limit: int | None = None) -> Iterator[Entry]:
        """Pages of 1,000 as they are walked. Raises Unavailable if the store does not list in order of keys."""
        assert not prefix or prefix.endswith("/"), prefix  # obstore lists by whole segments
        return islice(self._walk(prefix), limit)

    def delete(self, keys: Iterable[str]) -> None:
        left = iter(keys)
        while some := list(islice(left, _DELETED_AT_ONCE)):
            try:
                self._reads.delete(some)
            except FileNotFoundError:
                if len(some) > 1:  # one was gone already, and the others may not have been asked for
                    for key in some:
                        self._delete(key)
            except BaseError as error:
                raise self._unknown(error) from error

    def now(self) -> datetime:
        if not self._clock.is_good:
            self._ask_the_time()
        return self._clock.now()

    def _read(self, key: str) -> tuple[Record, str] | None:
        """The record and its token."""
        try:
            found = self._reads.get(key)
            meta, text = found.meta, bytes(found.bytes())
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise self._unavailable(error) from error
        self._clock.saw(meta["last_modified"])
        try:
            stored: dict[str, Any] = json.loads(text)
            body, token = stored["body"], stored["token"]
        except (ValueError, TypeError, KeyError) as error:
            message = f"{self._place}/{key} is no record of a ledger; nobody else may write there"
            raise Unavailable(message, code="ledger_inconsistent") from error
        return Record(key, str(meta[self._version_in]), body, meta["last_modified"]), token

    def _write(self, key: str, body: Mapping[str, Json], mode: Any) -> Record | None:
        token = secrets.token_hex(8)
        data = json.dumps({"token": token, "body": body}).encode()
        try:
            put: Any = self._put(key, data, mode)
        except (AlreadyExistsError, PreconditionError):  # Azure answers a create with either
            return None
        except FileNotFoundError as error:
            if mode != "create":
                return None  # Blob Storage: what was to be replaced is gone
            message = f"there is no {self._place}; create it, or correct `ledger` in retrigger.yaml"
            raise Unavailable(message, code="ledger_missing") from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise self._unavailable(error) from error
        except BaseError as error:
            return self._recognised(key, token, error)
        return Record(key, str(put[self._version_in]), json.loads(data)["body"])

    def _put(self, key: str, data: bytes, mode: Any) -> Any:
        """Write once; where the store says that it is too busy, and so did nothing, again after a while."""
        for pause in _BUSY_PAUSES_S:
            try:
                return self._writes.put(key, data, mode=mode, use_multipart=False)
            except BaseError as error:
                if _BUSY not in str(error):
                    raise
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - it spreads who tries again, it hides nothing
        return self._writes.put(key, data, mode=mode, use_multipart=False)

    def _recognised(self, key: str, token: str, error: BaseError) -> Record:
        """Our own write, if it is what is there now. Raises Unknown: it is not, but may be or may have been."""
        try:
            found = self._read(key)
        except Unavailable:
            found = None
        if found is None or found[1] != token:
            raise self._unknown(error) from error
        record, _ = found
        return Record(record.key, record.version, record.body)

    def _walk(self, prefix: str) -> Iterator[Entry]:
        last = ""
        try:
            for page in self._reads.list(prefix or None, chunk_size=_PAGE):
                for meta in page:
                    self._clock.saw(meta["last_modified"])
                    if meta["path"] <= last:
                        message = f"{self._place} does not list in order of names: it cannot hold a ledger"
                        raise Unavailable(message, code="ledger_unordered")
                    last = meta["path"]
                    yield Entry(last, meta["e_tag"] or "", meta["last_modified"])
        except BaseError as error:
            raise self._unavailable(error) from error

    def _delete(self, key: str) -> None:
        try:
            self._reads.delete(key)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise self._unknown(error) from error

    def _ask_the_time(self) -> None:
        """Write an object of our own and see when the store says that it was written: in a list, with its fractions."""
        folder = f"clock/{secrets.token_hex(8)}"
        try:
            self._reads.put(f"{folder}/now", b"", use_multipart=False)
        except (BaseError, FileNotFoundError) as error:
            raise self._unavailable(error) from error
        for entry in self._walk(f"{folder}/"):
            self._clock.saw(entry.time, new=True)
        self.delete([f"{folder}/now"])

    def _unavailable(self, error: Exception) -> Unavailable:
        if _is_without_token(error):
            return self._no_credentials()
        message = f"the ledger {self._place} is not usable: {_first_line(error)}; docs/ledger.md says what it needs"
        return Unavailable(message, code="ledger_unavailable")

    def _unknown(self, error: Exception) -> Unavailable:
        if _is_without_token(error):  # so that nothing was sent
            return self._no_credentials()
        message = f"the ledger {self._place} may or may not have written: {_first_line(error)}; look, or try again"
        return Unknown(message, code="ledger_unknown")

    def _no_credentials(self) -> Unavailable:
        message = f"no token was to be had for the ledger {self._place}: try again, or give the function an identity"
        step = "on a laptop run `az login` and set AZURE_USE_AZURE_CLI=true"
        return Unavailable(f"{message}; {step}", code="no_credentials")


def _is_without_token(error: Exception) -> bool:
    """Whether obstore's own search for credentials of Azure failed: it has no class for that."""
    return any(said in _first_line(error) for said in _NO_TOKEN)


def _first_line(error: Exception) -> str:
    """What obstore says, without its debugging appendix, which repeats it at length."""
    return str(error).partition("\n")[0][:300]
