"""Where data lies: the forms in which Azure ML takes an address, made into one that a job's process can read.

That is `https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME`, or `file:///…` for what is on this machine.
Source: https://learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from retrigger.local_emulator.planes.azureml.arm import Workspace, key, parted
from retrigger.local_emulator.planes.resources import Invalid, NotFound

if TYPE_CHECKING:
    from retrigger.local_emulator.planes.resources import Body, Resources

_DATASTORE = re.compile(r"azureml://(?:.*/)?datastores/([^/]+)/paths/(.*)", re.DOTALL)
_ASSET = re.compile(r"azureml:([^:@/]+)(?::([^:@/]+)|@latest)")
_HADOOP = re.compile(r"(?:wasbs?|abfss?)://([^@/]+)@([^./]+)\.(?:blob|dfs)\.([^/]+)/?(.*)", re.DOTALL)
_URI_OF = {"data": "dataUri", "models": "modelUri", "codes": "codeUri"}


class Addresses:
    """`store` is where the datastores lie that every workspace has; `blob_url` is where the emulator serves Blob."""

    def __init__(self, resources: Resources, store: str, blob_url: str) -> None:
        self._resources = resources
        self.store = store
        self._blob_url = blob_url

    def read(self, workspace: Workspace, uri: str) -> str:
        """Errors: Invalid for an address that leads nowhere here."""
        if uri.startswith(f"{self._blob_url}/"):
            return self.public(uri)
        if (found := _DATASTORE.fullmatch(uri)) is not None:
            return f"{self.datastore(workspace, found[1])}/{found[2]}"
        if (found := _HADOOP.fullmatch(uri)) is not None:
            return f"https://{found[2]}.blob.{found[3]}/{found[1]}/{found[4]}"
        if (place := self._asset(workspace, uri)) is not None:
            if self._asset(workspace, place) is not None:
                raise Invalid(
                    f"{uri[:300]} stands for another asset, {place[:300]}, and not for data: register its address."
                )
            return self.read(workspace, place)
        parts = urlsplit(uri)
        if parts.scheme == "file" or (parts.scheme == "https" and ".blob." in parts.netloc):
            return uri
        if uri.startswith("/"):
            return f"file://{quote(uri)}"
        raise Invalid(f"The address {uri[:300]!r} leads nowhere here: give a blob's, a datastore's, or file:///…")

    def public(self, uri: str) -> str:
        """The address in Azure of what is at the emulator's Blob, which holds whatever the port is; others stay."""
        if not uri.startswith(f"{self._blob_url}/"):
            return uri
        account, _, rest = uri.removeprefix(f"{self._blob_url}/").partition("?")[0].partition("/")
        return f"https://{account}.blob.core.windows.net/{rest}"

    def datastore(self, workspace: Workspace, name: str) -> str:
        """The address of a datastore's container. Errors: Invalid if nobody registered it."""
        try:
            told = self._resources.get(key(workspace, "datastores", name)).body["properties"]
        except NotFound:
            if name.lower().startswith("workspace"):
                return self.store
            raise Invalid(
                f"There is no datastore {name!r}: name a store of retrigger.yaml so, or register it with the workspace."
            ) from None
        return f"https://{told['accountName']}.blob.core.windows.net/{told['containerName']}"

    def _asset(self, workspace: Workspace, reference: str) -> str | None:
        """The address that a version of a data asset or of a model stands for; None if this is no reference to one."""
        if (found := parted(reference.removeprefix("azureml:"))) is not None:
            match found[1]:
                case (("data" | "models" | "codes") as kind, name, "versions", version):
                    return self._uri(kind, reference, found[0], (name, version))
                case _:
                    return None
        if (short := _ASSET.fullmatch(reference)) is None:
            return None
        return self._uri("data", reference, workspace, (short[1], short[2]))

    def _uri(self, kind: str, reference: str, workspace: Workspace, named: tuple[str, str | None]) -> str:
        found = version_of(self._resources, workspace, kind, *named)
        if found is None:
            raise Invalid(f"{reference} is not registered: register the {kind} with the workspace, as in Azure.")
        return str(found["properties"][_URI_OF[kind]])


def version_of(resources: Resources, workspace: Workspace, kind: str, name: str, version: str | None) -> Body | None:
    """One version of an asset, the newest for None; None if there is none."""
    if version is not None:
        try:
            return resources.get(key(workspace, kind, name, "versions", version)).body
        except NotFound:
            return None
    found = [item.body for item in resources.all(key(workspace, kind, name, "versions"))]
    return max(found, key=lambda body: (body["createdAt"], body["name"]), default=None)
