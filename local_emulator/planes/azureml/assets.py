"""What is registered with a workspace: components, environments, data, models and code, each in versions.

Source: https://learn.microsoft.com/rest/api/azureml/component-versions, and those of its siblings. Unlike Azure ML, a
version that is put again is replaced: on a laptop a component is worked on.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any, Final

from retrigger.local_emulator.planes.azureml.addresses import version_of
from retrigger.local_emulator.planes.azureml.arm import Answer, key, page, shown, stored
from retrigger.local_emulator.planes.resources import AlreadyExists, Body, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retrigger.local_emulator.planes.azureml.addresses import Addresses
    from retrigger.local_emulator.planes.azureml.arm import Call, Workspace
    from retrigger.local_emulator.planes.resources import Resource, Resources

KINDS: Final = frozenset({"components", "environments", "data", "models", "codes"})
# What the SDK reads of every model, whether or not anybody gave it.
_EXPECTED: Final[Mapping[str, Mapping[str, Any]]] = {"models": {"flavors": {}, "tags": {}, "properties": {}}}
_URIS = ("dataUri", "modelUri", "codeUri")


class Assets:
    """`upload` makes a container for an asset's files and gives its address at the emulator's Blob.

    `registered` is told of each new version of a model: its workspace, name and body, at least once.
    """

    def __init__(
        self,
        resources: Resources,
        now: Callable[[], datetime],
        *,
        addresses: Addresses,
        upload: Callable[[str], str],
        registered: Callable[[Workspace, str, Body], None],
    ) -> None:
        self._resources = resources
        self._now = now
        self._addresses = addresses
        self._upload = upload
        self._registered = registered

    def put(self, call: Call) -> Answer:
        kind, name, _, version = call.path
        made, body = self.register(call.workspace, kind, name, version, call.properties)
        return Answer(shown(call, call.path, body), 201 if made else 200)

    def register(
        self,
        workspace: Workspace,
        kind: str,
        name: str,
        version: str,
        properties: Mapping[str, Any],
        *,
        news: bool = True,
    ) -> tuple[bool, Body]:
        """Make or replace a version; tell whether it is new, and what is kept of it. `news`: others are told of it."""
        place = key(workspace, kind, name, "versions", version)
        known = {**_EXPECTED.get(kind, {}), **properties, "provisioningState": "Succeeded"}
        for field in _URIS:
            if isinstance(known.get(field), str):
                known[field] = self._addresses.public(known[field])
        body = stored(version, known, self._now())
        self._container(workspace, kind, name)
        try:
            self._resources.create(place, body)
        except AlreadyExists:
            before = self._resources.get(place)
            body["createdAt"] = before.body["createdAt"]
            self._resources.update(place, body, before.etag)
            return False, body
        if kind == "models" and news:
            self._registered(workspace, name, body)
        return True, body

    def register_next(self, workspace: Workspace, kind: str, name: str, properties: Mapping[str, Any]) -> Body:
        """Make the version after the last, whatever others do meanwhile."""
        while True:
            made, body = self.register(workspace, kind, name, self.next_version(workspace, kind, name), properties)
            if made:
                return body

    def versions(self, workspace: Workspace, kind: str, name: str) -> list[Body]:
        return [item.body for item in self._resources.all(key(workspace, kind, name, "versions"))]

    def next_version(self, workspace: Workspace, kind: str, name: str) -> str:
        numbers = [body["name"] for body in self.versions(workspace, kind, name)]
        return str(1 + max((int(number) for number in numbers if number.isdecimal()), default=0))

    def get(self, call: Call) -> Answer:
        """A version, or the one with the label `latest`."""
        kind, name, said, version = call.path
        body = version_of(self._resources, call.workspace, kind, name, None if said == "labels" else version)
        if body is None:
            raise NotFound(
                f"{kind} {name[:80]}:{version[:80]} was not found in the workspace {call.workspace.name[:80]}."
            )
        return Answer(shown(call, (kind, name, "versions", body["name"]), body))

    def list_versions(self, call: Call) -> Answer:
        """Every version; of code those with the `hash` that is asked for."""
        bodies = [item.body for item in self._resources.all(call.key)]
        if wanted := call.query.get("hash"):
            bodies = [
                body for body in bodies if (body["properties"].get("properties") or {}).get("hash_sha256") == wanted
            ]
        return page(call, [shown(call, (*call.path, body["name"]), body) for body in bodies])

    def get_container(self, call: Call) -> Answer:
        """What holds the versions of one asset."""
        try:
            return Answer(self._shown_container(call, self._resources.get(call.key)))
        except NotFound as error:
            told = f"{call.path[0]} {call.path[1][:80]} was not found in the workspace {call.workspace.name[:80]}."
            raise NotFound(told) from error

    def put_container(self, call: Call) -> Answer:
        kind, name = call.path
        self._container(call.workspace, kind, name)
        return self.get_container(call)

    def list_containers(self, call: Call) -> Answer:
        return page(call, [self._shown_container(call, item) for item in self._resources.all(call.key)])

    def delete(self, call: Call) -> Answer:
        self._resources.delete(call.key)
        return Answer(None)

    def start_upload(self, call: Call) -> Answer:
        """A place for the files of an asset that is to be registered; any signature opens it."""
        place = hashlib.sha256(call.key.encode()).hexdigest()[:24]
        uri = self._upload(f"{call.path[0]}-{place}")
        credential = {"credentialType": "SAS", "sasUri": f"{uri}?sv=local&sig=any"}
        told = {"blobUri": uri, "storageAccountArmId": "", "credential": credential}
        return Answer(
            {
                "pendingUploadId": secrets.token_hex(16),
                "pendingUploadType": "TemporaryBlobReference",
                "blobReferenceForConsumption": told,
            }
        )

    def _container(self, workspace: Workspace, kind: str, name: str) -> None:
        place = key(workspace, kind, name)
        try:
            self._resources.create(place, stored(name, {}, self._now()))
        except AlreadyExists:
            return

    def _shown_container(self, call: Call, container: Resource) -> Body:
        kind, name = call.path[0], container.body["name"]
        latest = version_of(self._resources, call.workspace, kind, name, None)
        told = {
            "isArchived": False,
            "latestVersion": latest["name"] if latest else None,
            "nextVersion": self.next_version(call.workspace, kind, name),
        }
        return shown(call, (kind, name), container.body, told)
