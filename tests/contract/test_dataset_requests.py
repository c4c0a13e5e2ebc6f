"""What registers a dataset is what the platforms' SDKs send for the same, captured live, over names, forms and labels.

Vertex AI's is compared as what the API reads out of both. `aiplatform.Artifact.create` cannot say labels; its generated
client can, and it is that which both go through.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from google.cloud.aiplatform_v1 import MetadataServiceClient
from google.protobuf import json_format

from retrigger.handlers.adapters.azureml.assets import data_request
from retrigger.handlers.adapters.vertex.artifacts import artifact_request
from retrigger.handlers.jobs import Dataset
from tests.contract import test_azureml_requests, test_vertex_requests
from tests.contract.azureml_sdk import SUBSCRIPTION, WORKSPACE, Credential, Recorder
from tests.handlers.conftest import Loopback, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.contract.azureml_sdk import Sent
    from tests.handlers.conftest import Received

STORE = "projects/p/locations/europe-west4/metadataStores/default"
ABOUT = {
    "trigger": 'quotes " \\ é 🎉',
    "run": "churn-0a1b",
    "members": 10_000,
    "since": "2026-11-20T00:00:00Z",
    "until": "2026-11-20T01:00:00.5Z",
}
LONG = "t" * 30 + "-" + "0" * 32
LABELS: tuple[Mapping[str, str], ...] = ({}, {"team": "growth", "retrigger-run": LONG})
PLACES = ("manifest.json", "a b%20é🎉/" + "x" * 900)
FORMS = ("json", "uris", "mltable")
PAIRS = (("churn-0a1b", PLACES[0], LABELS[1]), (LONG, PLACES[1], LABELS[0]), (LONG, PLACES[0], LABELS[1]))
MATRIX = [(*pair, form) for pair, form in itertools.product(PAIRS, FORMS)]


def a_dataset(id_: str, uri: str, form: Any) -> Dataset:
    return Dataset(id=id_, uri=uri, format=form, about=ABOUT)


# Vertex AI


@pytest.fixture(scope="module")
def vertex() -> Iterator[Loopback]:
    loopback = Loopback()
    loopback.always = _made
    aiplatform.init(
        project="p",
        location="europe-west4",
        credentials=AnonymousCredentials(),
        api_endpoint=loopback.url,
        api_transport="rest",
    )
    yield loopback
    aiplatform.initializer.global_config.__init__()
    loopback.close()


def _made(received: Received) -> Reply:
    name = STORE if received.method == "GET" else f"{STORE}/artifacts/a"
    return Reply(200, json.dumps({"name": name}).encode())


def as_the_api_reads_it(body: object) -> Any:
    return json_format.MessageToDict(json_format.ParseDict(body, aiplatform.gapic.Artifact()._pb))


def posted(loopback: Loopback) -> tuple[str, str, Any]:
    [sent] = [it for it in loopback.requests if it.method == "POST"]
    path, _, query = sent.path.partition("?")
    asked = "&".join(part for part in query.split("&") if not part.startswith("%24alt"))
    return sent.method, f"{loopback.url}{path}?{asked}", as_the_api_reads_it(json.loads(sent.body))


@pytest.mark.parametrize(("id_", "place", "labels", "form"), MATRIX)
def test_an_artifact_is_what_googles_client_sends(
    vertex: Loopback, id_: str, place: str, form: str, labels: Mapping[str, str]
) -> None:
    dataset = a_dataset(id_, f"gs://runs/{place}", form)
    told: dict[str, Any] = {
        "uri": dataset.uri,
        "display_name": "churn",
        "schema_title": "system.Dataset",
        "schema_version": "0.0.1",
        "metadata": {**ABOUT, "format": form},
    }
    vertex.requests.clear()
    if labels:
        client = MetadataServiceClient(
            credentials=AnonymousCredentials(), transport="rest", client_options=ClientOptions(api_endpoint=vertex.url)
        )
        live = aiplatform.gapic.Artifact.State.LIVE
        artifact = aiplatform.gapic.Artifact(**told, labels=dict(labels), state=live)
        client.create_artifact(parent=STORE, artifact=artifact, artifact_id=id_)
    else:
        aiplatform.Artifact.create(resource_id=id_, **told)
    job = test_vertex_requests.a_job(display_name="churn", labels=labels)
    ours = artifact_request(job, dataset, project="p", location="europe-west4", endpoint=vertex.url)
    assert (ours.method, ours.url, as_the_api_reads_it(ours.body)) == posted(vertex)


# Azure ML


class Registry(Recorder):
    """Takes data assets, too."""

    def answer(self, sent: Sent) -> tuple[int, Any]:
        if sent.method == "PUT" and "/data/" in sent.path:
            self.sent.append(sent)
            return 201, {"id": sent.path, "name": sent.path.rpartition("/")[2], "properties": sent.body["properties"]}
        return super().answer(sent)


@pytest.fixture(scope="module")
def azureml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = Registry(tmp_path_factory.mktemp("azureml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZUREML_DEV_URL_MFE", registry.url)
        patch.setenv("REQUESTS_CA_BUNDLE", str(registry.certificate))
        patch.setenv("NO_PROXY", "localhost")
        patch.setenv("no_proxy", "localhost")
        yield registry
    registry.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("id_", "place", "labels", "form"), MATRIX)
def test_a_data_asset_is_what_azures_client_sends(
    azureml: Registry, id_: str, place: str, form: str, labels: Mapping[str, str]
) -> None:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Data

    name, _, version = id_.rpartition("-")
    kind = "mltable" if form == "mltable" else "uri_file"
    uri = f"https://acme.blob.core.windows.net/runs/{place}"
    about = {key: str(value) for key, value in ABOUT.items()}
    data = Data(name=name, version=version, type=kind, path=uri, tags=dict(labels), properties=about)
    azureml.sent.clear()
    client = MLClient(Credential(), SUBSCRIPTION, "rg", "ml", enable_telemetry=False).data
    if kind == "mltable":  # the client would read the table first, from Azure itself: this is its call after that
        there = {"resource_group_name": "rg", "workspace_name": "ml"}
        client._operation.create_or_update(name=name, version=version, body=data._to_rest_object(), **there)
    else:
        client.create_or_update(data)
    [theirs] = [sent for sent in azureml.sent if sent.method == "PUT"]
    job = test_azureml_requests.a_job(labels=labels)
    dataset = a_dataset(f"azureml:{name}:{version}", uri, form)
    ours = data_request(job, dataset, workspace=WORKSPACE, endpoint=azureml.url)
    assert (ours.method, ours.url, ours.body) == ("PUT", f"{azureml.url}{theirs.path}?{theirs.query}", theirs.body)
