"""How a model's container of Vertex AI is started on this machine: its command, as the platform would run it.

Source: https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.server import ServerSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

_READY_WITHIN_S = 60.0


def server_of(model: str, container: Mapping[str, Any], artifacts: str) -> ServerSpec:
    """`container` is the model's `containerSpec`, `artifacts` the URI of its files.

    Errors: PipelineError if it has no command, or one that is not on this machine.
    """
    command = [*container.get("command", ()), *container.get("args", ())]
    if not container.get("command") or shutil.which(command[0]) is None:
        named = f"no command {command[0]!r} on this machine" if container.get("command") else "no command to run"
        raise PipelineError(
            f"model {model} cannot predict here: there is {named} for its image {container.get('imageUri')!r}; "
            "upload the model with a container_spec whose command serves it on this machine"
        )
    health = container.get("healthRoute") or "/health"
    env = {
        **{item["name"]: item.get("value", "") for item in container.get("env", ())},
        "AIP_MODE": "PREDICTION",
        "AIP_HEALTH_ROUTE": health,
        "AIP_PREDICT_ROUTE": predict_route(container),
        "AIP_STORAGE_URI": artifacts,
    }
    return ServerSpec(
        command=command,
        env=env,
        port_names=("AIP_HTTP_PORT",),
        health=health,
        ready_within_s=float(container.get("deploymentTimeout", "").removesuffix("s") or _READY_WITHIN_S),
    )


def predict_route(container: Mapping[str, Any]) -> str:
    return str(container.get("predictRoute") or "/predict")
