"""What a workspace has beside its jobs and assets: itself, its computes, which are all there, and its datastores.

Source: https://learn.microsoft.com/rest/api/azureml/datastores, and …/workspaces.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from retrigger.local_emulator.planes.azureml.arm import PROVIDER, Answer, key, page, shown, stored
from retrigger.local_emulator.planes.resources import AlreadyExists, Body, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from retrigger.local_emulator.planes.azureml.addresses import Addresses
    from retrigger.local_emulator.planes.azureml.arm import Call, Workspace
    from retrigger.local_emulator.planes.resources import Resources

DEFAULT: Final = ("workspaceblobstore", "workspaceartifactstore")
_LOCATION = "westeurope"


class Places:
    def __init__(self, resources: Resources, now: Callable[[], datetime], addresses: Addresses) -> None:
        self._resources = resources
        self._now = now
        self._addresses = addresses

    def workspace(self, call: Call) -> Answer:
        it = call.workspace
        storage = (
            f"/subscriptions/{it.subscription}/resourceGroups/{it.group}/providers/Microsoft.Storage/storageAccounts"
        )
        properties = {
            "friendlyName": it.name,
            "workspaceId": str(uuid.uuid5(uuid.NAMESPACE_URL, it.key)),
            "discoveryUrl": f"{call.origin}/discovery",
            "mlFlowTrackingUri": f"azureml:/{it.id}",
            "provisioningState": "Succeeded",
            "storageAccount": f"{storage}/{_parts(self._addresses.store)[0]}",
        }
        told = {
            "id": it.id,
            "name": it.name,
            "type": f"{PROVIDER}/workspaces",
            "location": _LOCATION,
            "kind": "Default",
        }
        return Answer({**told, "properties": properties})

    def compute(self, call: Call) -> Answer:
        """A step runs on this machine, whatever compute it names."""
        body = stored(call.path[1], {}, self._now())
        told = {"computeType": "AmlCompute", "provisioningState": "Succeeded", "properties": {}}
        return Answer({**shown(call, call.path, body, told), "location": _LOCATION})

    def put_datastore(self, call: Call) -> Answer:
        """Containers of Blob Storage only. Errors: Invalid."""
        told = call.properties
        if not all(isinstance(told.get(name), str) for name in ("accountName", "containerName")):
            raise Invalid(
                "A datastore has an accountName and a containerName here: those of Blob Storage are emulated."
            )
        made = self.register(call.workspace, call.path[1], told)
        return Answer(self.get_datastore(call).body, 201 if made else 200)

    def register(self, workspace: Workspace, name: str, properties: Body) -> bool:
        """Make or replace a datastore; tell whether it is new."""
        place, body = key(workspace, "datastores", name), stored(name, properties, self._now())
        try:
            self._resources.create(place, body)
        except AlreadyExists:
            self._resources.update(place, body, self._resources.get(place).etag)
            return False
        return True

    def get_datastore(self, call: Call) -> Answer:
        name = call.path[1]
        default = name == "default"
        try:
            body = self._resources.get(call.key).body
        except NotFound:
            address = self._addresses.datastore(call.workspace, DEFAULT[0] if default else name)
            account, container = _parts(address)
            properties = {"datastoreType": "AzureBlob", "accountName": account, "containerName": container}
            body = stored(DEFAULT[0] if default else name, properties, self._now())
        return Answer(self._shown(call, body))

    def list_datastores(self, call: Call) -> Answer:
        """Those that were registered; `isDefault` asks for the one that every workspace has."""
        if call.query.get("isDefault", "").lower() == "true":
            one = self.get_datastore(replace(call, path=("datastores", DEFAULT[0]))).body
            return Answer({"value": [one]})
        return page(call, [self._shown(call, item.body) for item in self._resources.all(call.key)])

    def secrets(self, _: Call) -> Answer:
        """Any signature opens the emulator's Blob."""
        return Answer({"secretsType": "Sas", "sasToken": "sv=local&sig=any"})

    def _shown(self, call: Call, body: Body) -> Body:
        told: dict[str, Any] = {
            "endpoint": "core.windows.net",
            "protocol": "https",
            "credentials": {"credentialsType": "Sas"},
            "isDefault": body["name"] == DEFAULT[0],
            **body["properties"],
        }
        return shown(call, ("datastores", body["name"]), body, told)


def _parts(address: str) -> tuple[str, str]:
    """The account and the container of an address of Blob Storage."""
    _, _, host, container, *_ = address.split("/")
    return host.partition(".")[0], container
