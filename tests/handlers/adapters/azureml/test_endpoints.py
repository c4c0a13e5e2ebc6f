from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.azureml.endpoints import AzureMlEndpoints
from retrigger.handlers.adapters.azureml.serving import deployment_request
from retrigger.handlers.endpoints import Deployment, Endpoint, Health
from retrigger.handlers.jobs import RolloutJob
from retrigger.handlers.ledger import to_ms
from retrigger.handlers.transport.azure import AzureApi
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from tests.handlers.adapters.azureml.test_client import asked, kept
from tests.handlers.adapters.azureml.test_metrics import measured
from tests.handlers.adapters.azureml.test_request import QUOTED, WORKSPACE

if TYPE_CHECKING:
    from pathlib import Path

    from retrigger.handlers.transport.http import Http
    from tests.handlers.conftest import Loopback

AT = f"{QUOTED}/onlineEndpoints/churn-online"
ENDPOINT_URL = f"{AT}?api-version=2022-02-01-preview"
LIST_URL = f"{AT}/deployments?api-version=2023-04-01-preview"
NAME = "rt-249f9a69bc30a1f88f4da6f6"
MODEL = f"{WORKSPACE}/models/churn/versions/7"


def a_rollout(**changes: Any) -> RolloutJob:
    usual: dict[str, Any] = {
        "id": "churn-0a1b",
        "display_name": "churn",
        "labels": {"team": "growth"},
        "fingerprint": "f00d",
        "endpoint": "churn-online",
        "model": "churn",
        "version": "7",
        "steps": [10, 100],
        "smoke": {"input_data": [1]},
    }
    return RolloutJob(**{**usual, **changes})


def an_endpoint(loopback: Loopback, split: dict[str, int] | None = None, **properties: Any) -> dict[str, Any]:
    return {
        "location": "westeurope",
        "tags": {"a": "b"},
        "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
        "kind": "Managed",
        "properties": {
            "authMode": "Key",
            "description": "churn, online",
            "mirrorTraffic": {},
            "traffic": {"blue": 100} if split is None else split,
            "provisioningState": "Succeeded",
            "scoringUri": f"{loopback.url}/score",
            **properties,
        },
    }


@pytest.fixture
def endpoints(http: Http, loopback: Loopback) -> AzureMlEndpoints:
    return AzureMlEndpoints(AzureApi(http, kept("arm")), http, kept("ml"), workspace=WORKSPACE, endpoint=loopback.url)


def test_a_name_is_one_that_azure_takes_and_the_same_for_the_same_rollout(endpoints: AzureMlEndpoints) -> None:
    assert (endpoints.deployment_of(a_rollout()), endpoints.model_of(a_rollout())) == (NAME, MODEL)
    assert len(NAME) <= 32


def test_it_is_looked_at_with_its_deployments_page_by_page(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint(loopback, {"green": 10, "blue": 90, "old": 0}, mirrorTraffic={"old": 5, "blue": 0}))
    page = f"{loopback.url}{AT}/deployments?page=2"
    states = {"blue": "Succeeded", "green": "Updating"}
    first = [{"name": name, "properties": {"provisioningState": it, "model": name}} for name, it in states.items()]
    loopback.reply(200, {"value": first, "nextLink": page})
    loopback.reply(200, {"value": [{"name": "old", "properties": {"provisioningState": "Failed"}}]})
    seen = endpoints.look("churn-online")
    assert seen == Endpoint(
        deployments={
            "blue": Deployment(state="ready", model="blue"),
            "green": Deployment(state="creating", model="green"),
            "old": Deployment(state="failed", error="Azure ML says why in the logs of the deployment"),
        },
        split={"blue": 90, "green": 10},
        mirror={"old": 5},
    )
    assert asked(loopback) == [("GET", ENDPOINT_URL), ("GET", LIST_URL), ("GET", f"{AT}/deployments?page=2")]


def test_our_token_does_not_follow_a_list_to_another_place(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint(loopback))
    loopback.reply(200, {"value": [], "nextLink": "https://elsewhere.example/deployments"})
    with pytest.raises(Unavailable, match="at another place"):
        endpoints.look("churn-online")


def test_a_list_without_an_end_has_one(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.script.clear()
    loopback.reply(200, an_endpoint(loopback))
    for _ in range(25):
        loopback.reply(200, {"value": [], "nextLink": f"{loopback.url}{LIST_URL}"})
    with pytest.raises(Unavailable, match="more deployments"):
        endpoints.look("churn-online")


def test_a_state_that_is_not_known_is_neither_ready_nor_failed(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint(loopback))
    loopback.reply(200, {"value": [{"name": "blue", "properties": {"provisioningState": "Dreaming"}}]})
    with pytest.raises(Unavailable, match="Dreaming"):
        endpoints.look("churn-online")


@pytest.mark.parametrize(
    "answers",
    [
        [{}],
        [{"location": "w", "properties": None}],
        [{"properties": {}}],
        [{"location": "w", "properties": {"traffic": [1]}}],
        [{"location": "w", "properties": {"traffic": {"blue": "all"}}}],
        [{"location": "w", "properties": {"mirrorTraffic": {"blue": None}}}],
        [{"location": "w", "properties": {}}, {}],
        [{"location": "w", "properties": {}}, {"value": {}}],
        [{"location": "w", "properties": {}}, {"value": [None]}],
        [{"location": "w", "properties": {}}, {"value": [{"properties": {}}]}],
    ],
)
def test_an_odd_answer_is_looked_at_again_later(
    endpoints: AzureMlEndpoints, loopback: Loopback, answers: list[Any]
) -> None:
    for answer in answers:
        loopback.reply(200, answer)
    with pytest.raises(Unavailable) as caught:
        endpoints.look("churn-online")
    assert caught.value.code == "odd_answer"


@pytest.mark.parametrize("odd", [{}, {"primaryKey": None}, {"primaryKey": 5}])
def test_without_a_key_nothing_is_asked(endpoints: AzureMlEndpoints, loopback: Loopback, odd: Any) -> None:
    loopback.reply(200, an_endpoint(loopback))
    loopback.reply(200, odd)
    with pytest.raises(Unavailable) as caught:
        endpoints.invoke("churn-online", "blue", {})
    assert (caught.value.code, len(loopback.requests)) == ("odd_answer", 2)


def test_an_endpoint_that_is_not_there_is_refused(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(404, {"error": {"code": "NotFound", "message": "no such endpoint"}})
    with pytest.raises(Refused, match="no such endpoint"):
        endpoints.look("churn-online")


def test_a_deployment_is_made_where_its_endpoint_is(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint(loopback))
    loopback.reply(201, {})
    endpoints.deploy(a_rollout(options={"instance_type": "Standard_F4s_v2", "instance_count": 2}), 0)
    put = loopback.requests[-1]
    assert (put.method, put.path) == ("PUT", f"{AT}/deployments/{NAME}?api-version=2023-04-01-preview")
    assert json.loads(put.body) == {
        "location": "westeurope",
        "properties": {
            "model": MODEL,
            "properties": {},
            "environmentVariables": {},
            "appInsightsEnabled": False,
            "instanceType": "Standard_F4s_v2",
            "endpointComputeType": "Managed",
        },
        "tags": {"team": "growth", "retrigger-fingerprint": "f00d"},
        "sku": {"name": "Default", "capacity": 2},
    }


def test_the_request_is_what_azure_ai_ml_sent(shared: Path) -> None:
    """Recorded: `online_deployments.begin_create_or_update` of a model that brings its own environment."""
    calls = json.loads((shared / "recordings" / "azureml_cloud.json").read_text())
    puts = [call for call in _calls(calls) if call["method"] == "PUT" and "/deployments/green" in call["path"]]
    sent = next(call["body"] for call in puts if "codeConfiguration" not in call["body"]["properties"])
    workspace = puts[0]["path"].partition("/onlineEndpoints")[0]
    ours = deployment_request(a_rollout(version="4", labels={}), workspace=workspace, location="westeurope")
    assert {**ours.body, "tags": {}} == sent


def _calls(recorded: Any) -> list[dict[str, Any]]:
    """The calls in a recording, wherever they stand in it."""
    match recorded:
        case {"method": _, "path": _, "body": _}:
            return [recorded]
        case dict():
            return [call for part in recorded.values() for call in _calls(part)]
        case list():
            return [call for part in recorded for call in _calls(part)]
    return []


def test_a_split_is_written_over_what_is_there_and_keeps_the_rest(
    endpoints: AzureMlEndpoints, loopback: Loopback
) -> None:
    loopback.reply(200, an_endpoint(loopback))
    loopback.reply(200, {})
    assert endpoints.shift("churn-online", {"blue": 90, "green": 10}, Endpoint(deployments={}, split={"blue": 100}))
    put = loopback.requests[-1]
    assert (put.method, put.path) == ("PUT", ENDPOINT_URL)
    assert json.loads(put.body) == {
        "location": "westeurope",
        "tags": {"a": "b"},
        "identity": {"type": "SystemAssigned"},
        "kind": "Managed",
        "properties": {
            "authMode": "Key",
            "description": "churn, online",
            "mirrorTraffic": {},
            "traffic": {"blue": 90, "green": 10},
        },
    }


@pytest.mark.parametrize(
    "properties", [{"traffic": {"blue": 50, "green": 50}}, {"provisioningState": "Updating"}], ids=["split", "changing"]
)
def test_an_endpoint_that_changed_since_it_was_seen_is_left_alone(
    endpoints: AzureMlEndpoints, loopback: Loopback, properties: dict[str, Any]
) -> None:
    loopback.reply(200, an_endpoint(loopback, **properties))
    seen = Endpoint(deployments={}, split={"blue": 100})
    assert not endpoints.shift("churn-online", {"green": 100}, seen)
    assert [method for method, _ in asked(loopback)] == ["GET"]


def test_a_mirror_is_written_over_what_is_there_and_keeps_the_rest(
    endpoints: AzureMlEndpoints, loopback: Loopback
) -> None:
    seen = Endpoint(deployments={}, split={"blue": 100})
    loopback.reply(200, an_endpoint(loopback))
    loopback.reply(200, {})
    assert endpoints.mirror("churn-online", {"green": 10}, seen)
    put = loopback.requests[-1]
    properties = json.loads(put.body)["properties"]
    assert (put.method, put.path) == ("PUT", ENDPOINT_URL)
    assert (properties["traffic"], properties["mirrorTraffic"]) == ({"blue": 100}, {"green": 10})
    loopback.reply(200, an_endpoint(loopback, mirrorTraffic={"green": 10}))
    assert not endpoints.mirror("churn-online", {}, seen)


@pytest.mark.parametrize("status", [200, 202, 204, 404])
def test_a_deployment_is_removed_or_was(endpoints: AzureMlEndpoints, loopback: Loopback, status: int) -> None:
    loopback.reply(status)
    endpoints.remove("churn-online", "blue")
    assert asked(loopback) == [("DELETE", f"{AT}/deployments/blue?api-version=2023-04-01-preview")]


def test_another_change_that_is_under_way_is_waited_for(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(409, {"error": {"code": "Conflict", "message": "already running"}})
    with pytest.raises(Unavailable, match="under way"):
        endpoints.remove("churn-online", "blue")


def test_a_lost_answer_to_a_change_is_unknown(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.drop()
    with pytest.raises(Unknown):
        endpoints.remove("churn-online", "blue")


@pytest.mark.parametrize(
    ("mode", "secret", "told"),
    [
        ("Key", "the-key", ("listKeys", "primaryKey")),
        ("AMLToken", "the-token", ("token", "accessToken")),
        ("AADToken", "ml-1", None),
    ],
)
def test_one_deployment_is_asked_as_its_endpoint_lets_callers_in(
    endpoints: AzureMlEndpoints,
    loopback: Loopback,
    mode: str,
    secret: str,
    told: tuple[str, str] | None,
) -> None:
    loopback.reply(200, an_endpoint(loopback, authMode=mode))
    if told is not None:
        loopback.reply(200, {told[1]: secret})
    loopback.reply(503, b"busy")
    answer = endpoints.invoke("churn-online", "green", {"input_data": [1]})
    sent = loopback.requests[-1]
    assert (answer.status, sent.method, sent.path, sent.body) == (503, "POST", "/score", b'{"input_data": [1]}')
    wanted = {"authorization": f"Bearer {secret}", "azureml-model-deployment": "green"}
    assert {name: sent.headers[name] for name in wanted} == wanted
    asked_for = [("POST", f"{AT}/{told[0]}?api-version=2022-02-01-preview")] if told else []
    assert asked(loopback)[1:-1] == asked_for


def test_a_deployment_that_does_not_answer_has_answered_with_nothing(
    endpoints: AzureMlEndpoints, loopback: Loopback
) -> None:
    loopback.reply(200, an_endpoint(loopback, authMode="AADToken"))
    loopback.drop()
    assert endpoints.invoke("churn-online", "green", {}).status == 0


def test_how_an_endpoint_lets_callers_in_may_be_unknown(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint(loopback, authMode="Handshake"))
    with pytest.raises(Refused, match="handshake"):
        endpoints.invoke("churn-online", "green", {})


def test_the_key_of_an_endpoint_is_not_sent_without_tls(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint(loopback, scoringUri="http://churn.westeurope.inference.ml.azure.com/score"))
    with pytest.raises(Refused, match="without TLS: its key is not sent there") as raised:
        endpoints.invoke("churn-online", "green", {})
    assert (raised.value.code, asked(loopback)) == ("insecure_endpoint", [("GET", ENDPOINT_URL)])


def test_the_key_of_an_endpoint_does_not_follow_a_redirect(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint(loopback, authMode="AADToken"))
    loopback.reply(307, b"", Location=f"{loopback.url}/elsewhere")
    assert endpoints.invoke("churn-online", "green", {}).status == 307
    assert [path for _, path in asked(loopback)][1:] == ["/score"]


def test_an_endpoint_without_an_address_is_looked_at_later(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint(loopback, scoringUri=None))
    with pytest.raises(Unavailable, match="no address yet"):
        endpoints.invoke("churn-online", "green", {})


NOON_MS = to_ms(datetime(2026, 11, 22, 12, tzinfo=UTC))
BETWEEN = "2026-11-22T12%3A00%3A00Z%2F2026-11-22T12%3A10%3A00Z"


def test_azure_monitor_tells_how_a_deployment_is(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, measured("RequestsPerMinute", {"2xx": {"12:01": 3}, "5xx": {"12:01": 1}}))
    loopback.reply(200, measured("RequestLatency_P95", {None: {"12:01": 80.4}}))
    found = endpoints.health("churn-online", "green", NOON_MS - 1, NOON_MS + 659_999)
    assert found == Health(error_rate=0.25, p95_ms=80)
    common = f"{AT}/providers/microsoft.insights/metrics?api-version=2023-10-01"
    how = f"timespan={BETWEEN}&interval=PT1M&aggregation=Average&%24filter=deployment%20eq%20%27green%27"
    by_class = "%20and%20statuscodeclass%20eq%20%27%2A%27"
    assert asked(loopback) == [
        ("GET", f"{common}&metricnames=RequestsPerMinute&{how}{by_class}"),
        ("GET", f"{common}&metricnames=RequestLatency_P95&{how}"),
    ]


def test_before_a_whole_minute_has_passed_nothing_is_asked(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    assert endpoints.health("churn-online", "green", NOON_MS + 1, NOON_MS + 119_999) is None
    assert asked(loopback) == []


def test_without_requests_nothing_is_measured(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, measured("RequestsPerMinute", {}))
    assert endpoints.health("churn-online", "green", NOON_MS, NOON_MS + 600_000) is None
    assert len(asked(loopback)) == 1


def test_figures_that_may_not_be_read_need_a_role(endpoints: AzureMlEndpoints, loopback: Loopback) -> None:
    loopback.reply(403, {"error": {"code": "AuthorizationFailed", "message": "no"}})
    with pytest.raises(Refused, match="Monitoring Reader"):
        endpoints.health("churn-online", "green", NOON_MS, NOON_MS + 600_000)


def test_a_deployment_may_bring_code_and_settings(endpoints: AzureMlEndpoints) -> None:
    options = {
        "environment": "azureml:serving:3",
        "code": "azureml:score:7",
        "scoring_script": "src/score.py",
        "environment_variables": {"WORKERS": "2"},
        "request_timeout_ms": 90_000,
        "max_concurrent_requests": 4,
        "app_insights": True,
    }
    asked_for = endpoints.request(a_rollout(options=options)).body["properties"]
    assert asked_for == {
        "model": MODEL,
        "properties": {},
        "environmentVariables": {"WORKERS": "2"},
        "appInsightsEnabled": True,
        "instanceType": "Standard_DS3_v2",
        "endpointComputeType": "Managed",
        "environmentId": f"{WORKSPACE}/environments/serving/versions/3",
        "codeConfiguration": {"codeId": f"{WORKSPACE}/codes/score/versions/7", "scoringScript": "src/score.py"},
        "requestSettings": {"requestTimeout": "PT1M30S", "maxConcurrentRequestsPerInstance": 4},
    }
