"""The `services` of an environment: where APIs are asked, if not at their public addresses.

Blob, queues and Service Bus have no key: their addresses in the environment hold the whole host.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from retrigger.triggers.authoring.fields import Text
from retrigger.triggers.authoring.model import Model

ServiceAddress = Annotated[
    str,
    Text(
        r"https://[A-Za-z0-9]([-A-Za-z0-9.]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?|http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?",
        "`https://HOST`, without a path (`http` only on this machine)",
        "address of an API",
    ),
]


class GoogleServices(Model):
    """Other addresses of Google's APIs than the public ones, such as Private Service Connect's."""

    vertex: ServiceAddress | None = Field(default=None, description="Vertex AI; default: the region's.")
    storage: ServiceAddress | None = Field(
        default=None, description="Cloud Storage; default: `https://storage.googleapis.com`."
    )
    pubsub: ServiceAddress | None = Field(
        default=None, description="Pub/Sub; default: `https://pubsub.googleapis.com`."
    )
    monitoring: ServiceAddress | None = Field(
        default=None,
        description="Cloud Monitoring, by which rollouts judge; default: `https://monitoring.googleapis.com`.",
    )


class AzureServices(Model):
    """Another address of Azure's than the public cloud's. Tokens are those of the cloud that it belongs to."""

    azureml: ServiceAddress | None = Field(
        default=None,
        description="Resource Manager, where Azure ML is asked; default: `https://management.azure.com`. Others are "
        "`https://management.usgovcloudapi.net` and `https://management.chinacloudapi.cn`.",
    )
