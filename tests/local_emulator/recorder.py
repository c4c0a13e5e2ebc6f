"""A function that writes down what it is asked, and hangs for as long as the file that HANG names exists."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Request


def main(request: Request) -> dict[str, str]:
    line = json.dumps(
        {
            "path": request.path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": request.get_data(as_text=True),
        }
    )
    with Path(os.environ["RECORD"]).open("a", encoding="utf-8") as record:
        record.write(line + "\n")
    print("recorded", request.path, flush=True)  # noqa: T201 (a function's output is its log)
    while Path(os.environ["HANG"]).exists():
        time.sleep(0.01)
    return {"outcome": "recorded"}
