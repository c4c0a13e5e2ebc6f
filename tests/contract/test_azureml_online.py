"""What we send to change an online endpoint, and to ask it, is what azure-ai-ml sends, captured live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.azureml.endpoints import AzureMlEndpoints
from retrigger.handlers.endpoints import Endpoint
from retrigger.handlers.jobs import RolloutJob
from retrigger.handlers.transport.azure import AzureApi
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.handlers.transport.http import Http, HttpSettings
from tests.contract.azureml_sdk import SUBSCRIPTION, WORKSPACE, Credential, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from azure.ai.ml import MLClient

    from tests.contract.azureml_sdk import Sent

pytestmark = [
    # raised inside the SDK, while it is imported and used; nothing of ours
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

REGISTRY = "azureml://registries/azureml/environments/sklearn-1.5/versions/9"
CODE_ID = f"{WORKSPACE}/codes/score/versions/7"
ENVIRONMENT_ID = f"{WORKSPACE}/environments/serving/versions/3"
WITH_CODE = {"environment": "azureml:serving:3", "code": "azureml:score:7", "scoring_script": "src/score.py"}
# Of a change of the split: what we send and the client does not -> why.
OURS_ALONE = {
    "kind": "the endpoint was read with it: what its maker said of it is kept",
    "sku": "the endpoint was read with it: what its maker said of it is kept",
}


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path_factory.mktemp("azureml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZUREML_DEV_URL_MFE", recorder.url)
        patch.setenv("REQUESTS_CA_BUNDLE", str(recorder.certificate))
        patch.setenv("NO_PROXY", "localhost")
        patch.setenv("no_proxy", "localhost")
        yield recorder
    recorder.close()


@pytest.fixture(scope="module")
def theirs(recorder: Recorder) -> MLClient:
    from azure.ai.ml import MLClient

    assert recorder.url
    return MLClient(Credential(), SUBSCRIPTION, "rg", "ml", enable_telemetry=False)


@pytest.fixture
def ours(recorder: Recorder) -> AzureMlEndpoints:
    http = Http(HttpSettings(ca_bundle=str(recorder.certificate)))
    tokens = KeptToken(lambda: ("entra", 3600.0), lambda: 0.0)
    return AzureMlEndpoints(AzureApi(http, tokens), http, tokens, workspace=WORKSPACE, endpoint=recorder.url)


@pytest.fixture(autouse=True)
def _as_found(recorder: Recorder) -> None:
    recorder.online = an_endpoint(recorder)
    recorder.deployments = ["blue", "green"]


@pytest.fixture(autouse=True)
def _forgetting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client keeps its headers from call to call, for endpoints of every kind: no other test is to get ours."""
    from azure.ai.ml.constants._endpoint import EndpointInvokeFields

    monkeypatch.setattr(EndpointInvokeFields, "DEFAULT_HEADER", dict(EndpointInvokeFields.DEFAULT_HEADER))


def an_endpoint(recorder: Recorder, **properties: Any) -> dict[str, Any]:
    return {
        "location": "westeurope",
        "tags": {"team": "growth"},
        "kind": "Managed",
        "sku": {"name": "Default"},
        "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
        "properties": {
            "authMode": "Key",
            "description": "churn, online",
            "properties": {},
            "publicNetworkAccess": "Enabled",
            "traffic": {"blue": 100},
            "mirrorTraffic": {},
            "provisioningState": "Succeeded",
            "scoringUri": f"{recorder.url}{WORKSPACE}/score",
            "swaggerUri": f"{recorder.url}/swagger.json",
            **properties,
        },
    }


def changes(recorder: Recorder, act: Callable[[], object]) -> list[Sent]:
    """What is sent besides questions."""
    recorder.sent.clear()
    act()
    return [sent for sent in recorder.sent if sent.method != "GET"]


def a_rollout(**options: Any) -> RolloutJob:
    return RolloutJob(
        id="churn-0a1b",
        display_name="churn",
        labels={"team": "growth"},
        fingerprint="f00d",
        endpoint="churn-online",
        model="churn",
        version="7",
        steps=[100],
        options=options,
    )


def as_written_by_hand(name: str, options: Mapping[str, Any]) -> Any:
    from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment, OnlineRequestSettings

    code = options.get("code")
    limits = (options.get("max_concurrent_requests"), options.get("request_timeout_ms"))
    return ManagedOnlineDeployment(
        name=name,
        endpoint_name="churn-online",
        model="azureml:churn:7",
        tags={"team": "growth", "retrigger-fingerprint": "f00d"},
        environment=options.get("environment"),
        code_configuration=None if code is None else CodeConfiguration(code, options["scoring_script"]),
        environment_variables=options.get("environment_variables"),
        app_insights_enabled=options.get("app_insights", False),
        request_settings=None if limits == (None, None) else OnlineRequestSettings(*limits),
        instance_type=options.get("instance_type", "Standard_DS3_v2"),
        instance_count=options.get("instance_count", 1),
    )


OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "a model of MLflow": {},
    "its machines": {"instance_type": "Standard_F4s_v2", "instance_count": 3},
    "code": WITH_CODE,
    "code by its resource id": {**WITH_CODE, "code": CODE_ID, "environment": ENVIRONMENT_ID},
    "an environment of a registry": {**WITH_CODE, "environment": REGISTRY},
    "an environment alone": {"environment": "azureml:serving:3"},
    "variables": {**WITH_CODE, "environment_variables": {"WORKERS": "2"}},
    "Application Insights": {"app_insights": True},
    "requests at once": {"max_concurrent_requests": 4},
    **{f"a timeout of {ms} ms": {"request_timeout_ms": ms} for ms in (1, 500, 1500, 5_000, 60_000, 61_500, 180_000)},
    "everything": {
        **WITH_CODE,
        "instance_type": "Standard_F4s_v2",
        "instance_count": 2,
        "environment_variables": {"A": "b"},
        "app_insights": True,
        "max_concurrent_requests": 4,
        "request_timeout_ms": 90_000,
    },
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_deployment_is_made_as_the_sdk_makes_it(
    recorder: Recorder, theirs: MLClient, ours: AzureMlEndpoints, options: Mapping[str, Any]
) -> None:
    job = a_rollout(**options)
    written = as_written_by_hand(ours.deployment_of(job), options)
    [expected] = changes(recorder, lambda: theirs.online_deployments.begin_create_or_update(written))
    [sent] = changes(recorder, lambda: ours.deploy(job, 0))
    assert (sent.method, sent.path, sent.query) == (expected.method, expected.path, expected.query)
    assert sent.body == expected.body
    assert f"{recorder.url}{sent.path}?{sent.query}" == ours.request(job).url


ENDPOINTS: Mapping[str, Mapping[str, Any]] = {
    "as it was": {},
    "mirror traffic": {"mirrorTraffic": {"green": 10}},
    "without a key": {"authMode": "AMLToken"},
    "without a network": {"publicNetworkAccess": "Disabled"},
    "no traffic yet": {"traffic": {}},
    "properties of its own": {"properties": {"a": "b"}},
}


@pytest.mark.parametrize("split", [{"blue": 90, "green": 10}, {"green": 100}], ids=["a step", "all of it"])
@pytest.mark.parametrize("found", ENDPOINTS.values(), ids=ENDPOINTS)
def test_another_split_is_asked_for_as_the_sdk_asks_for_it(
    recorder: Recorder, theirs: MLClient, ours: AzureMlEndpoints, found: Mapping[str, Any], split: dict[str, int]
) -> None:
    recorder.online = an_endpoint(recorder, **found)
    endpoint = theirs.online_endpoints.get("churn-online")
    endpoint.traffic = split
    [expected] = changes(recorder, lambda: theirs.online_endpoints.begin_create_or_update(endpoint))
    seen = Endpoint(deployments={}, split=found.get("traffic", {"blue": 100}))
    [sent] = changes(recorder, lambda: ours.shift("churn-online", split, seen))
    assert (sent.method, sent.path, sent.query) == (expected.method, expected.path, expected.query)
    assert {name: part for name, part in sent.body.items() if name not in OURS_ALONE} == expected.body
    assert OURS_ALONE.keys() <= sent.body.keys() - expected.body.keys()


@pytest.mark.parametrize("mirror", [{"green": 10}, {}], ids=["set", "cleared"])
def test_a_mirror_is_asked_for_as_the_sdk_asks_for_it(
    recorder: Recorder, theirs: MLClient, ours: AzureMlEndpoints, mirror: dict[str, int]
) -> None:
    before = {"green": 50 if mirror else 10}
    recorder.online = an_endpoint(recorder, mirrorTraffic=before)
    endpoint = theirs.online_endpoints.get("churn-online")
    endpoint.mirror_traffic = mirror
    [expected] = changes(recorder, lambda: theirs.online_endpoints.begin_create_or_update(endpoint))
    seen = Endpoint(deployments={}, split={"blue": 100}, mirror=before)
    [sent] = changes(recorder, lambda: ours.mirror("churn-online", mirror, seen))
    assert (sent.method, sent.path, sent.query) == (expected.method, expected.path, expected.query)
    assert {name: part for name, part in sent.body.items() if name not in OURS_ALONE} == expected.body


def test_a_deployment_is_removed_as_the_sdk_removes_it(
    recorder: Recorder, theirs: MLClient, ours: AzureMlEndpoints
) -> None:
    [expected] = changes(recorder, lambda: theirs.online_deployments.begin_delete("green", "churn-online"))
    [sent] = changes(recorder, lambda: ours.remove("churn-online", "green"))
    assert (sent.method, sent.path, sent.query) == (expected.method, expected.path, expected.query)


@pytest.mark.parametrize("mode", ["Key", "AMLToken"])
def test_a_deployment_is_asked_as_the_sdk_asks_it(
    recorder: Recorder, theirs: MLClient, ours: AzureMlEndpoints, tmp_path: Path, mode: str
) -> None:
    recorder.online = an_endpoint(recorder, authMode=mode)
    file = tmp_path / "request.json"
    file.write_text('{"input_data": [[1, 2]]}')
    invoke = theirs.online_endpoints.invoke
    expected = changes(recorder, lambda: invoke("churn-online", request_file=str(file), deployment_name="green"))
    sent = changes(recorder, lambda: ours.invoke("churn-online", "green", {"input_data": [[1, 2]]}))
    assert [(it.method, it.path, it.query, it.body) for it in sent] == [
        (it.method, it.path, it.query, it.body) for it in expected
    ]
    names = ("authorization", "content-type", "azureml-model-deployment")
    assert [sent[-1].headers[name] for name in names] == [expected[-1].headers[name] for name in names]
