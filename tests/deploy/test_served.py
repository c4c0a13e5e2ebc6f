"""Bundles as deployed: unpacked, installed from their requirements alone, and served by what their cloud runs."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import urllib3

from retrigger.cli.stage import Stage
from retrigger.deploy.bundle import bundle
from retrigger.local_emulator.claim import Claim
from retrigger.local_emulator.delivery import Subscription
from retrigger.local_emulator.eventarc import object_event
from retrigger.local_emulator.hosts.functions_framework import FunctionsHost
from retrigger.local_emulator.project import Options, emulator_for
from retrigger.local_emulator.state import State
from retrigger.local_emulator.stores.resource import ObjectChange
from retrigger.triggers.authoring.project import load_project
from tests.benchmarks.loopback import Platform
from tests.deploy.unpacked import CloudRun, FunctionsWorker, Unpacked
from tests.functions.azure.project import Project
from tests.functions.azure.test_function_app import EVENT_GRID

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("deploy")

CHURN = Path(__file__).resolve().parents[2] / "examples" / "churn"
COLUMNS = {
    "Attrition_Flag": "Existing Customer",
    "Customer_Age": "40",
    "Gender": "F",
    "Total_Relationship_Count": "3",
    "Months_Inactive_12_mon": "1",
    "Contacts_Count_12_mon": "2",
    "Credit_Limit": "5000.0",
    "Total_Revolving_Bal": "0",
    "Total_Trans_Amt": "1500",
    "Total_Trans_Ct": "40",
}
TABLE = "\n".join([",".join(COLUMNS), *[",".join(COLUMNS.values())] * 1000, ""]).encode()
DAY = "churn/dt=2026-11-20"
# The entry point, which says where the compiled project is; every module; and what is not for functions.
IMPORTS = """
import {entry}, importlib, importlib.util, pkgutil, retrigger
names = [it.name for it in pkgutil.walk_packages(retrigger.__path__, "retrigger.")]
for name in names:
    importlib.import_module(name)
absent = ["retrigger.cli", "retrigger.deploy", "retrigger.local_emulator", "retrigger.testing",
          "retrigger.triggers.authoring", "pydantic", "yaml", "rich"]
print(len(names), [name for name in absent if importlib.util.find_spec(name)])
"""


@pytest.fixture(scope="module", params=["function", "service"])
def cloud_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stage, Unpacked]]:
    """The example's project on an emulator whose uploads go to its bundle."""
    state = State.at(tmp_path_factory.mktemp("state"))
    emulator = emulator_for(load_project(CHURN), Claim.take(state), Options(tick_every=timedelta(hours=1)))
    with ExitStack() as stack:
        stack.callback(emulator.stop)
        place = tmp_path_factory.mktemp("cloud_run")
        unpacked = Unpacked.of(bundle(state.compiled.read_text(encoding="utf-8"), "gcp"), place)
        served = FunctionsHost(
            CloudRun(unpacked, emulator.environment_variables(), service=request.param == "service"), place / "log"
        )
        stack.callback(served.stop)
        served.start()
        served.wait_ready(60)
        emulator.delivery.register(Subscription(name="objects", endpoint=f"{served.url}/"))
        emulator.start()
        yield Stage(emulator, state), unpacked


def test_an_upload_becomes_one_job_and_a_second_delivery_none(cloud_run: tuple[Stage, Unpacked]) -> None:
    stage, _ = cloud_run
    part = stage.drop("landing", f"{DAY}/part.csv", TABLE)
    stage.settle()
    stage.drop("landing", f"{DAY}/_SUCCESS", b"")
    stage.settle()
    assert results(stage) == [["deferred"], ["launched"]]
    [run] = stage.journal.runs()
    assert stage.journal.window(run.window or "")["uris"] == [part]
    assert jobs(stage) == [run.job]
    deliver_again(stage, f"{DAY}/part.csv")
    deliver_again(stage, f"{DAY}/_SUCCESS")
    assert results(stage)[2:] == [["duplicate"], ["duplicate"]]
    assert jobs(stage) == [run.job]


def test_all_of_a_google_bundle_can_be_imported_and_nothing_else_of_retrigger(
    cloud_run: tuple[Stage, Unpacked],
) -> None:
    assert_complete(cloud_run[1], "main")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with Platform() as platform:
        yield Project.make(tmp_path_factory.mktemp("project"), platform.url)


@pytest.fixture(scope="module")
def azure(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FunctionsHost, Unpacked]]:
    pytest.importorskip("azure_functions_runtime", reason="Microsoft's worker library is not installed")
    place = tmp_path_factory.mktemp("azure")
    unpacked = Unpacked.of(bundle(project.compiled.read_text(encoding="utf-8"), "azure"), place)
    served = FunctionsHost(FunctionsWorker(unpacked), place / "log")
    served.start()
    try:
        served.wait_ready(60)
        yield served, unpacked
    finally:
        served.stop()


def test_an_event_of_event_grid_becomes_one_run(azure: tuple[FunctionsHost, Unpacked], project: Project) -> None:
    for _ in range(2):
        told = urllib3.request("POST", f"{azure[0].url}/eventgrid", json=EVENT_GRID, retries=False)
        assert told.status == 202
        assert project.runs() == ["train"]
    assert project.dead_letters() == []


def test_all_of_an_azure_bundle_can_be_imported_and_nothing_else_of_retrigger(
    azure: tuple[FunctionsHost, Unpacked],
) -> None:
    assert_complete(azure[1], "function_app")


def assert_complete(unpacked: Unpacked, entry: str) -> None:
    number, absent = unpacked.run(IMPORTS.format(entry=entry)).strip().split(" ", 1)
    assert (int(number) > 50, absent) == (True, "[]")


def results(stage: Stage) -> list[list[str]]:
    """What the bundle's function answered to each upload so far."""
    answers = [it.answer for it in stage.emulator.attempts(10) if it.subscription == "objects"]
    told = [answer["outcomes"] for answer in answers if isinstance(answer, dict)]
    return [[outcome["result"] for outcome in outcomes] for outcomes in told]


def deliver_again(stage: Stage, name: str) -> None:
    """The same event as before, as Eventarc would send it once more."""
    bucket, it = stage.environment.stores["landing"].bucket, stage.emulator
    url = f"{it.url}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
    resource = urllib3.request("GET", url, retries=False).json()
    change = ObjectChange("finalized", resource, {}, datetime.fromisoformat(resource["timeCreated"]))
    it.delivery.submit("objects", *object_event(change), now=it.clock.now())
    stage.settle()


def jobs(stage: Stage) -> list[str]:
    """The ids of all jobs that the platform has."""
    parent = f"projects/{stage.environment.project}/locations/{stage.environment.location}"
    listed = urllib3.request("GET", f"{stage.emulator.url}/v1/{parent}/pipelineJobs", retries=False).json()
    return [job["name"].rsplit("/", 1)[1] for job in listed["pipelineJobs"]]
