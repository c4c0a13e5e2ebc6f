"""What a deployment refers to, made into what is run: its model, code and environment are looked up when it is put."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from retrigger.local_emulator.planes.azureml.resolving import variables
from retrigger.local_emulator.planes.resources import Body, Invalid
from retrigger.local_emulator.runners.azureml.scoring import Scoring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.local_emulator.planes.azureml.resolving import Resolver

_ASSET_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
_DURATION = re.compile(r"PT(?:(\d{1,4})M)?(?:(\d{1,6}(?:\.\d{1,6})?)S)?")
_DEFAULT_TIMEOUT_S: Final = 5.0
_LONGEST_S: Final = 180.0


def scoring_of(resolver: Resolver, properties: Mapping[str, Any]) -> Scoring:
    """Errors: Invalid for what is not registered, or cannot be served here."""
    model, asset = _model(resolver, properties.get("model"))
    code, script = _code(resolver, properties.get("codeConfiguration"))
    if not model and not script:
        raise Invalid("A deployment has a `model`, or a `codeConfiguration`: an image of your own does not run here.")
    environment = properties.get("environmentId")
    return Scoring(
        model=model,
        asset=asset,
        code=code,
        script=script,
        conda=resolver.environment(environment)[1] if environment else "",
        variables=variables(properties.get("environmentVariables")),
    )


def timeout_of(properties: Mapping[str, Any]) -> float:
    """Seconds that a request may take, 5 by default and 180 at the most. Errors: Invalid."""
    settings = properties.get("requestSettings") or {}
    told = settings.get("requestTimeout") if isinstance(settings, dict) else None
    if told is None:
        return _DEFAULT_TIMEOUT_S
    parts = _DURATION.fullmatch(str(told))
    if parts is None:
        raise Invalid(f"requestSettings.requestTimeout is {str(told)[:40]!r}: write it as PT30S.")
    seconds = int(parts[1] or 0) * 60 + float(parts[2] or 0)
    if not 0 < seconds <= _LONGEST_S:
        raise Invalid(f"requestSettings.requestTimeout is {str(told)[:40]!r}: a request may take up to 180 s.")
    return seconds


def _model(resolver: Resolver, told: Any) -> tuple[str, str]:
    """The model's address, and NAME/VERSION of its asset; ("", …) where none is named."""
    reference = told.get("assetId") if isinstance(told, dict) else told
    if not reference:
        if told:
            raise Invalid("A model is named by its asset's id here: model.assetId, with referenceType Id.")
        return "", "model/0"
    body = resolver.registered("models", str(reference))
    if body is None:
        raise Invalid(f"{str(reference)[:300]} is not registered: register the model with the workspace.")
    uri = str(body["properties"].get("modelUri") or "")
    return resolver.addresses.read(resolver.workspace, uri), _asset(str(reference), body)


def _asset(reference: str, body: Body) -> str:
    name = reference.rpartition("/models/")[2].partition("/")[0] if "/models/" in reference else ""
    name = name or reference.removeprefix("azureml:").partition(":")[0]
    version = str(body["name"])
    if not _ASSET_NAME.fullmatch(name) or not _ASSET_NAME.fullmatch(version):
        raise Invalid(f"The model {name[:80]!r}, version {version[:80]!r}, has no name that a folder can have.")
    return f"{name}/{version}"


def _code(resolver: Resolver, told: Any) -> tuple[str, str]:
    if not told:
        return "", ""
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in ("codeId", "scoringScript")):
        raise Invalid("`codeConfiguration` has a codeId and a scoringScript.")
    body = resolver.registered("codes", told["codeId"])
    uri = body["properties"].get("codeUri") if body else told["codeId"]
    return resolver.addresses.read(resolver.workspace, str(uri)), told["scoringScript"]
