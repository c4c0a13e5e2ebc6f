"""A Cloud Storage of one bucket, as far as a job's mount needs one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from retrigger.local_emulator.http import Server

if TYPE_CHECKING:
    from starlette.requests import Request


class Store:
    """The three calls of the JSON API that a mount makes, over a dict; pages of one object."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.server = Server(
            [
                Route("/storage/v1/b/bucket/o", self.list),
                Route("/storage/v1/b/bucket/o/{name:path}", self.get),
                Route("/upload/storage/v1/b/bucket/o", self.put, methods=["POST"]),
            ]
        )

    async def list(self, request: Request) -> Response:
        names = sorted(name for name in self.objects if name.startswith(request.query_params["prefix"]))
        at = int(request.query_params.get("pageToken", 0))
        more = {"nextPageToken": str(at + 1)} if at + 1 < len(names) else {}
        return JSONResponse({"items": [{"name": name} for name in names[at : at + 1]], **more})

    async def get(self, request: Request) -> Response:
        content = self.objects.get(request.path_params["name"])
        return Response(status_code=404) if content is None else Response(content)

    async def put(self, request: Request) -> Response:
        self.objects[request.query_params["name"]] = await request.body()
        return JSONResponse({})
