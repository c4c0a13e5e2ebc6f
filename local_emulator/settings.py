"""What one project needs of its emulator, and the variables that point clients at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from retrigger.local_emulator.azure import ANY_ACCOUNT, AzureSettings, connection_string
from retrigger.local_emulator.delivery import Policy
from retrigger.local_emulator.runners.azureml.pipelines import BLOB_ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from retrigger.local_emulator.scheduler import TriggerSchedule

NOT_INHERITED: Final = frozenset(
    {
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        "DEBUG",
        "FUNCTION_USE_ASGI",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "PUBSUB_EMULATOR_HOST",
    }
)
"""What would lead local code to the real cloud, and what would change how functions-framework serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one project needs of its emulator.

    All of `buckets` are made; changes in the `watched` ones reach the functions, and so do messages of `topics`
    (projects/P/topics/T); `outbox` is a topic that functions publish to; `endpoints` of Vertex AI
    (projects/P/locations/L/endpoints/E) are made, too. `environment` is what functions and tasks
    inherit, `function_environment` is added for functions only. `copies` announces every event that often. With
    `azure`, the functions are an app of Azure Functions: `function_source` is its folder, and what reaches them comes
    that cloud's ways.
    """

    project: str
    location: str
    project_folder: Path
    function_source: Path
    function_target: str = "main"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    function_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    buckets: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    outbox: str | None = None
    endpoints: tuple[str, ...] = ()
    schedules: tuple[TriggerSchedule, ...] = ()
    tick_every: timedelta = timedelta(seconds=60)
    copies: int = 1
    policy: Policy = field(default_factory=Policy)
    jobs_at_once: int = 2
    azure: AzureSettings | None = None


def environment_variables(
    url: str, blob_url: str, queue_url: str, project: str, account: str | None = None
) -> dict[str, str]:
    """The variables that point real client libraries at an emulator; `account` is a storage account."""
    address = urlsplit(url).netloc
    return {
        "STORAGE_EMULATOR_HOST": url,
        "GCE_METADATA_HOST": address,
        "GCE_METADATA_IP": address,
        "GCE_METADATA_ROOT": address,
        "GOOGLE_CLOUD_PROJECT": project,
        "RETRIGGER_VERTEX_ENDPOINT": url,
        "RETRIGGER_AZUREML_ENDPOINT": url,
        BLOB_ENDPOINT: blob_url,
        "AZURE_STORAGE_CONNECTION_STRING": connection_string(blob_url, queue_url, account or ANY_ACCOUNT),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
