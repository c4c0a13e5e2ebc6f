"""Opens a ledger in a bucket of Cloud Storage or a container of Blob Storage: addresses, credentials, network settings.

What obstore reads from its process's environment by itself holds too; for Blob Storage that is where its credentials
come from: a managed identity, a federated token or a client's secret.
https://developmentseed.org/obstore/latest/authentication/
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from obstore.store import AzureStore, GCSStore

from retrigger.handlers.adapters.object_records import ObjectRecords

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, GCSCredential, RetryConfig

    from retrigger.handlers.transport.credentials import Tokens
    from retrigger.handlers.transport.http import HttpSettings

# Repeating a read changes nothing. A write that is repeated could meet its own success and take it for another's.
READS: Final[RetryConfig] = {
    "max_retries": 3,
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
    "retry_timeout": timedelta(seconds=10),
}
WRITES: Final[RetryConfig] = {"max_retries": 0}
_GCS: Final = "https://storage.googleapis.com"
_CLOCK_GOOD_FOR: Final = timedelta(minutes=1)
_NEVER: Final = timedelta()
# obstore asks for the token again as often as that; whether it is still good is for Tokens to know.
_TOKEN_ASKED_EVERY: Final = timedelta(seconds=30)


def gcs_records(address: str, http: HttpSettings, tokens: Tokens, endpoint: str | None = None) -> ObjectRecords:
    """`gs://BUCKET` or `gs://BUCKET/FOLDER`.

    `endpoint` replaces the public address. The emulator's is one without TLS, and its clock can be wound at any time.
    """
    bucket, _, folder = address.removeprefix("gs://").partition("/")
    url = endpoint or _GCS

    def credential() -> GCSCredential:
        return {"token": tokens.token(), "expires_at": datetime.now(UTC) + _TOKEN_ASKED_EVERY}

    reads, writes = (
        GCSStore(
            bucket,
            prefix=folder or None,
            config={"base_url": url},
            client_options=_client(http, url),
            retry_config=retries,
            credential_provider=credential,
        )
        for retries in (READS, WRITES)
    )
    return ObjectRecords(address, reads, writes, "version", _NEVER if url.startswith("http://") else _CLOCK_GOOD_FOR)


def blob_records(address: str, http: HttpSettings, endpoint: str | None = None) -> ObjectRecords:
    """`https://ACCOUNT.blob.SUFFIX/CONTAINER`, or a folder in it; the suffix tells the cloud.

    `endpoint`: the emulator's, with the account as the first segment of paths; it takes any token.
    """
    parts = urlsplit(address)
    account = parts.netloc.partition(".")[0]
    container, _, folder = parts.path.removeprefix("/").partition("/")
    config: AzureConfig = {"account_name": account, "endpoint": f"https://{parts.netloc}"}
    if endpoint is not None:
        config = {"account_name": account, "endpoint": f"{endpoint.rstrip('/')}/{account}", "token": "emulator"}
    reads, writes = (
        AzureStore(
            container,
            prefix=folder or None,
            config=config,
            client_options=_client(http, config["endpoint"]),
            retry_config=retries,
        )
        for retries in (READS, WRITES)
    )
    return ObjectRecords(address, reads, writes, "e_tag", _NEVER if endpoint else _CLOCK_GOOD_FOR)


def _client(http: HttpSettings, url: str) -> ClientConfig:
    options: ClientConfig = {
        "allow_http": url.startswith("http://"),
        "connect_timeout": timedelta(seconds=http.connect_timeout),
        "timeout": timedelta(seconds=http.timeout),
    }
    if (proxy := http.proxy_for(url)) is not None:
        options["proxy_url"] = proxy
    if http.ca_bundle is not None:
        options["root_certificate"] = Path(http.ca_bundle).read_bytes()
    return options
