"""Online endpoints: their split of traffic, and what lets callers in.

Source: https://learn.microsoft.com/rest/api/azureml/online-endpoints; the rules of traffic are those of
https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Any, Final

from retrigger.local_emulator.planes.azureml.arm import Answer, key, page, stored
from retrigger.local_emulator.planes.azureml.endpoint_resources import (
    LOCATION,
    checked_name,
    found,
    gone,
    kept,
    patched,
    view,
)
from retrigger.local_emulator.planes.azureml.online_deployments import ENDPOINTS
from retrigger.local_emulator.planes.resources import Body, Invalid, NotFound, Precondition

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retrigger.local_emulator.planes.azureml.arm import Call, Workspace
    from retrigger.local_emulator.planes.azureml.online_deployments import OnlineDeployments
    from retrigger.local_emulator.planes.resources import Resource, Resources
    from retrigger.local_emulator.runners.routing import Traffic

SCORING: Final = "/retrigger/azureml/online"
_MODES: Final = {"key": "Key", "amltoken": "AMLToken", "aadtoken": "AADToken"}
_KEYS: Final = {"primary": "primaryKey", "secondary": "secondaryKey"}
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_MOST_MIRRORED = 50
_TOKEN_LASTS_S = 3600


class OnlineEndpoints:
    """`changing` is held while an endpoint or a deployment changes."""

    def __init__(
        self,
        resources: Resources,
        deployments: OnlineDeployments,
        traffic: Traffic,
        now: Callable[[], datetime],
        *,
        changing: threading.Lock,
    ) -> None:
        self._resources = resources
        self._deployments = deployments
        self._traffic = traffic
        self._now = now
        self._changing = changing

    def put(self, call: Call) -> Answer:
        """Errors: Invalid for a split of traffic that cannot be."""
        name = checked_name("endpoint", call.path[1])
        with self._changing:
            before = found(self._resources, call.key)
            body = kept(call, name, self._now(), before)
            body["properties"] |= self._checked(call.key, body["properties"])
            if before is None:
                body["keys"] = _keys()
                self._resources.create(call.key, body)
            else:
                body["keys"] = before.body["keys"]
                self._resources.update(call.key, body, before.etag)
        return Answer(self._view(call, body), 201 if before is None else 200)

    def ensure(self, workspace: Workspace, name: str) -> None:
        """Make one without deployments, unless it is there. Errors: Invalid."""
        place = key(workspace, ENDPOINTS, checked_name("endpoint", name))
        properties = {"authMode": "Key", "traffic": {}, "mirrorTraffic": {}}
        tracked = {"location": LOCATION, "tags": {}}
        with self._changing:
            if found(self._resources, place) is None:
                body = stored(name, properties, self._now(), tracked=tracked, keys=_keys())
                self._resources.create(place, body)

    def patch(self, call: Call) -> Answer:
        """Errors: Invalid for what may not be patched."""
        with self._changing:
            before = self._known(call)
            body = patched(call, before.body, self._now())
            self._resources.update(before.name, body, before.etag)
        return Answer(self._view(call, body))

    def get(self, call: Call) -> Answer:
        return Answer(self._view(call, self._known(call).body))

    def list_all(self, call: Call) -> Answer:
        return page(call, [self._view(call, item.body) for item in self._resources.all(call.key)])

    def delete(self, call: Call) -> Answer:
        """With all its deployments."""
        with self._changing:
            if found(self._resources, call.key) is None:
                return gone()
            self._deployments.remove_all(call.key)
            self._resources.delete(call.key)
            self._traffic.forget(call.key)
        return Answer(None)

    def list_keys(self, call: Call) -> Answer:
        body = self._let_in_by(call, "Key")
        return Answer({name: body["keys"][name] for name in _KEYS.values()})

    def regenerate_keys(self, call: Call) -> Answer:
        kind, value = str(call.body.get("keyType", "")).lower(), call.body.get("keyValue")
        if kind not in _KEYS or not (value is None or (isinstance(value, str) and _KEY.fullmatch(value))):
            raise Invalid("`keyType` is Primary or Secondary; `keyValue` is what a header can have, or absent.")
        with self._changing:
            self._let_in_by(call, "Key")
            before = self._known(call)
            keys = dict(before.body["keys"])
            given = None if value == keys[_KEYS[kind]] else value  # azure-ai-ml sends the key that is to go
            keys[_KEYS[kind]] = given or secrets.token_urlsafe(24)
            self._resources.update(before.name, {**before.body, "keys": keys}, before.etag)
        return Answer(None)

    def token(self, call: Call) -> Answer:
        """One that lets in for an hour."""
        body = self._let_in_by(call, "AMLToken")
        until = int(self._now().timestamp()) + _TOKEN_LASTS_S
        told = {"expiryTimeUtc": until, "refreshAfterTimeUtc": until - _TOKEN_LASTS_S // 2, "tokenType": "Bearer"}
        return Answer({"accessToken": _token(body, until), **told})

    def lets_in(self, body: Body, authorization: str) -> bool:
        """Tell whether a caller with this header may score. Any token of Microsoft Entra is taken for one that may."""
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret:
            return False
        match body["properties"]["authMode"]:
            case "Key":
                return any(_equal(secret, body["keys"][name]) for name in _KEYS.values())
            case "AMLToken":
                until = secret.partition(".")[0]
                fresh = until.isdecimal() and len(until) < 16 and int(until) > self._now().timestamp()
                return fresh and _equal(secret, _token(body, int(until)))
            case _:
                return True

    def _known(self, call: Call) -> Resource:
        try:
            return self._resources.get(key(call.workspace, *call.path[:2]))
        except NotFound as error:
            raise NotFound(f"The online endpoint {call.path[1][:80]!r} was not found.") from error

    def _let_in_by(self, call: Call, mode: str) -> Body:
        body = self._known(call).body
        if body["properties"]["authMode"] != mode:
            raise Precondition(f"The endpoint {body['name']} has the authMode {body['properties']['authMode']}.")
        return body

    def _checked(self, place: str, properties: Body) -> Body:
        mode = _MODES.get(str(properties.get("authMode", "")).lower())
        if mode is None:
            raise Invalid(f"`authMode` is one of {', '.join(_MODES.values())}.")
        there = self._deployments.names(place)
        traffic = _split("traffic", properties.get("traffic"), there)
        mirror = _split("mirrorTraffic", properties.get("mirrorTraffic"), there)
        if sum(traffic.values()) not in {0, 100}:
            raise Invalid(f"The shares of `traffic` are {sum(traffic.values())} % in sum: make it 100, or 0 for none.")
        if len(mirror) > 1 or sum(mirror.values()) > _MOST_MIRRORED or mirror.keys() & traffic.keys():
            raise Invalid("`mirrorTraffic` goes to one deployment, which has no live traffic, and is 50 % at the most.")
        return {"authMode": mode, "traffic": traffic, "mirrorTraffic": mirror}

    def _view(self, call: Call, body: Body) -> Body:
        path = (ENDPOINTS, body["name"])
        told = {
            "provisioningState": "Succeeded",
            "publicNetworkAccess": body["properties"].get("publicNetworkAccess") or "Enabled",
            "properties": body["properties"].get("properties") or {},
            "scoringUri": f"{call.origin}{SCORING}{call.workspace.id}/{'/'.join(path)}/score",
        }
        return {"kind": "Managed", **view(call, path, body, told)}


def _split(kind: str, told: Any, deployments: set[str]) -> dict[str, int]:
    """Shares above zero, of deployments that are there. Errors: Invalid."""
    shares: Mapping[str, Any] = {} if told is None else told
    whole = isinstance(shares, dict) and all(
        isinstance(share, int) and not isinstance(share, bool) and 0 <= share <= 100 for share in shares.values()
    )
    if not whole:
        raise Invalid(f"`{kind}` is an object: whole percentages, 0 to 100, by the names of deployments.")
    if strangers := sorted(name for name, share in shares.items() if share and name not in deployments):
        raise Invalid(f"`{kind}` names {strangers[0][:80]!r}, and the endpoint has no such deployment: make it first.")
    return {name: share for name, share in shares.items() if share}


def _keys() -> dict[str, str]:
    """Of a new endpoint; with `token` the tokens are made that it gives."""
    return {kind: secrets.token_urlsafe(24) for kind in (*_KEYS.values(), "token")}


def _token(body: Body, until: int) -> str:
    proof = hmac.new(body["keys"]["token"].encode(), str(until).encode(), hashlib.sha256).hexdigest()
    return f"{until}.{proof}"


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
