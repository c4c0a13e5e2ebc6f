"""The least that Microsoft's worker library can serve: the floor under the variants on Azure ML."""

from __future__ import annotations

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("events/{*route}", methods=["POST"])
def main(req: func.HttpRequest) -> func.HttpResponse:
    del req
    return func.HttpResponse("hello")
