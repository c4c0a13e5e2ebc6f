"""What the composition root puts together of Azure: Azure ML, Blob, Service Bus, Storage queues, and their tokens.

`services` (see Environment) says where an API is, if not at its public address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.handlers.transport.azure import QUEUE, AzureApi, AzureStorageApi
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.handlers.transport.managed_identity import (
    STORAGE,
    IdentitySettings,
    ManagedIdentityTokens,
    audiences_at,
)
from retrigger.triggers.environment import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.endpoints import Endpoints
    from retrigger.handlers.ports import Launcher, Objects, Publisher, Records
    from retrigger.handlers.transport.credentials import KeptToken
    from retrigger.triggers.environment import Environment


def records_of(address: str, environ: Mapping[str, str], services: Mapping[str, str]) -> Records:
    """The ledger at `https://ACCOUNT.blob…/CONTAINER[/FOLDER]`."""
    from retrigger.handlers.adapters.buckets import blob_records

    return blob_records(address, HttpSettings.from_environment(environ), services.get("blob"))


def launcher_of(environment: Environment, environ: Mapping[str, str], *, ahead: bool = False) -> Launcher:
    """Through the Resource Manager of the cloud that `services` names, with tokens of that cloud.

    `ahead`: its address is connected to, and a token fetched, while the caller has other work.
    """
    from retrigger.handlers.adapters.azureml.client import AzureMlLauncher
    from retrigger.handlers.adapters.azureml.request import PUBLIC

    http = Http(HttpSettings.from_environment(environ))
    manager, azureml = _azure_ml_tokens(environment, environ, http)
    api = AzureApi(http, manager)
    if ahead:
        api.prepare(environment.services.get("azureml", PUBLIC))
    return AzureMlLauncher(
        api,
        AzureApi(http, azureml),
        workspace=environment.workspace,
        endpoint=environment.services.get("azureml"),
    )


def objects_of(environment: Environment, environ: Mapping[str, str]) -> Objects:
    from retrigger.handlers.adapters.blob import BlobObjects

    api = AzureStorageApi(*_entra(environment, environ, STORAGE))
    roots = [Store.at(pipeline.root) for pipeline in environment.pipelines.values() if pipeline.root]
    suffixes = {store.account: store.suffix for store in (*roots, *environment.stores.values()) if store.account}
    return BlobObjects(api, suffixes=suffixes, endpoint=environment.services.get("blob"))


def endpoints_of(environment: Environment, environ: Mapping[str, str]) -> Endpoints:
    from retrigger.handlers.adapters.azureml.endpoints import AzureMlEndpoints

    http = Http(HttpSettings.from_environment(environ))
    manager, azureml = _azure_ml_tokens(environment, environ, http)
    return AzureMlEndpoints(
        AzureApi(http, manager),
        http,
        azureml,
        workspace=environment.workspace,
        endpoint=environment.services.get("azureml"),
    )


def service_bus_of(environment: Environment, environ: Mapping[str, str], address: str) -> Publisher:
    """Of a queue or topic of Service Bus."""
    from retrigger.handlers.adapters.service_bus import ServiceBusPublisher
    from retrigger.handlers.transport.service_bus import AUDIENCE, ServiceBusApi

    bus = ServiceBusApi(*_entra(environment, environ, AUDIENCE))
    return ServiceBusPublisher(bus, address, endpoint=environment.services.get("servicebus"))


def queue_of(environment: Environment, environ: Mapping[str, str], address: str) -> Publisher:
    """Of a queue of a storage account."""
    from retrigger.handlers.adapters.storage_queue import StorageQueuePublisher

    storage = AzureStorageApi(*_entra(environment, environ, STORAGE), QUEUE)
    return StorageQueuePublisher(storage, address, endpoint=environment.services.get("queue"))


def _azure_ml_tokens(environment: Environment, environ: Mapping[str, str], http: Http) -> tuple[KeptToken, KeptToken]:
    """Of Resource Manager and of Azure ML itself, in the cloud that `services` names."""
    manager, azureml = audiences_at(environment.services.get("azureml"))
    return _tokens(environment, environ, http, manager), _tokens(environment, environ, http, azureml)


def _entra(environment: Environment, environ: Mapping[str, str], resource: str) -> tuple[Http, KeptToken]:
    """A way to the network, and tokens of Microsoft Entra for a resource."""
    http = Http(HttpSettings.from_environment(environ))
    return http, _tokens(environment, environ, http, resource)


def _tokens(environment: Environment, environ: Mapping[str, str], http: Http, resource: str) -> KeptToken:
    identity = IdentitySettings.from_environment(environ, endpoint=environment.services.get("metadata"))
    return ManagedIdentityTokens(http, identity, resource)
