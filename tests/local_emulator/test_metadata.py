from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import urllib3

from retrigger.local_emulator import metadata
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.settings import environment_variables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = Server(metadata.routes(metadata.Identity("local-project", "europe-west4")))
    server.start()
    yield server.url
    server.stop()


def get(url: str, path: str, flavor: str = "Google") -> tuple[int, str]:
    response = urllib3.request("GET", f"{url}{path}", headers={"Metadata-Flavor": flavor}, retries=False)
    assert response.headers["Metadata-Flavor"] == "Google"
    return response.status, response.data.decode()


def test_it_says_where_it_runs(url: str) -> None:
    root = "/computeMetadata/v1"
    assert get(url, "/")[0] == 200
    assert get(url, f"{root}/project/project-id") == (200, "local-project")
    assert get(url, f"{root}/instance/region") == (200, "projects/123456789012/regions/europe-west4")
    assert get(url, f"{root}/nothing") == (404, "Not Found\n")


def test_it_answers_only_those_who_know_what_they_ask(url: str) -> None:
    assert get(url, "/computeMetadata/v1/instance/service-accounts/default/token", flavor="")[0] == 403


def test_googles_own_library_finds_its_project_and_a_token(url: str, tmp_path: Path) -> None:
    """In a process of its own, because google-auth reads the variables when it is imported."""
    variables = environment_variables(url, url, url, "from-the-environment")
    del variables["GOOGLE_CLOUD_PROJECT"]
    answer = subprocess.run(
        [sys.executable, "-c", _ASK],
        env={**variables, "HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split() == [
        "local-project",
        "retrigger-emulator",
        "emulator@local-project.iam.gserviceaccount.com",
    ]


_ASK = """
import google.auth, urllib3
from google.auth.transport.urllib3 import Request
credentials, project = google.auth.default(["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(Request(urllib3.PoolManager()))
print(project, credentials.token, credentials.service_account_email)
"""
