"""The local Azure ML behind a certificate: azure-core gives no token to plain HTTP."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from starlette.applications import Starlette

from tests.contract.azureml_sdk import Credential, certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.local_emulator.planes.azureml.azureml_plane import Plane


@contextmanager
def served_over_tls(plane: Plane, folder: Path) -> Iterator[Any]:
    """An azure-ai-ml client of the plane; its certificate goes to `folder`."""
    pem = certificate(folder)
    listening = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=plane.azureml.routes())
    # Each answer ends its connection: the client would keep it, and the server's end of TLS wait half a minute for it.
    close = [("Connection", "close")]
    server = uvicorn.Server(uvicorn.Config(app, ssl_certfile=pem, log_level="warning", lifespan="off", headers=close))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AZUREML_DEV_URL_MFE", f"https://localhost:{listening.getsockname()[1]}")
            patch.setenv("REQUESTS_CA_BUNDLE", str(pem))
            from azure.ai.ml import MLClient
            from azure.ai.ml.constants._endpoint import EndpointInvokeFields

            yield MLClient(Credential(), "s", "rg", "ml")
            # The client keeps its headers from call to call, for the whole process.
            EndpointInvokeFields.DEFAULT_HEADER.pop(EndpointInvokeFields.MODEL_DEPLOYMENT, None)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
