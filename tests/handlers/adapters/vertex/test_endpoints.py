"""Endpoints over REST: looked at, changed, asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from retrigger.handlers.adapters.vertex.endpoints import VertexEndpoints
from retrigger.handlers.endpoints import Deployment, Endpoint, Health
from retrigger.triggers.errors import Refused, RetriggerError, Unavailable, Unknown
from tests.handlers.adapters.vertex.test_metrics import counted, slow
from tests.handlers.adapters.vertex.test_serving import (
    CREATED_MS,
    INSTANCES,
    NAME,
    a_rollout,
    an_endpoint,
    an_operation,
)
from tests.handlers.conftest import Reply

if TYPE_CHECKING:
    from retrigger.handlers.transport.google import GoogleApi
    from retrigger.handlers.transport.http import Http
    from tests.handlers.conftest import Loopback, Received

AT = "/v1/projects/p/locations/l/endpoints/123"
RUNNING = {"name": "o", "metadata": {}}
SEEN = Endpoint(deployments={}, split={}, etag="AMEw9yN")
LOOK = [("GET", f"{AT}/operations"), ("GET", AT)]


@pytest.fixture
def endpoints(api: GoogleApi, http: Http, loopback: Loopback) -> VertexEndpoints:
    address = loopback.url
    return VertexEndpoints(api, http, project="p", location="l", endpoint=address, monitoring=address)


def asked(loopback: Loopback) -> list[tuple[str, str]]:
    return [(seen.method, urlsplit(seen.path).path) for seen in loopback.requests]


def shown(loopback: Loopback, *operations: dict[str, Any], **endpoint: Any) -> None:
    """The next look sees this."""
    loopback.reply(200, {"operations": list(operations)} if operations else {})
    loopback.reply(200, an_endpoint(**endpoint))


def refused(loopback: Loopback, status: int, code: str = "SOME_CODE") -> None:
    loopback.reply(status, {"error": {"status": code, "message": "no"}})


def test_it_is_looked_at_after_what_is_under_way_there(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    shown(loopback, an_operation(), deployedModels=[{"id": "1", "model": "m/churn@6"}], trafficSplit={"1": 100})
    assert endpoints.look("123") == Endpoint(
        deployments={"1": Deployment(state="ready", model="churn@6")}, split={"1": 100}, etag="AMEw9yN"
    )
    assert asked(loopback) == LOOK


def test_it_changes_as_long_as_one_operation_on_any_page_is_not_done(
    endpoints: VertexEndpoints, loopback: Loopback
) -> None:
    loopback.reply(200, {"operations": [an_operation()], "nextPageToken": "more"})
    shown(loopback, RUNNING)
    assert endpoints.look("123").changing
    pages = [parse_qs(urlsplit(seen.path).query) for seen in loopback.requests[:2]]
    assert pages == [{"pageSize": ["100"]}, {"pageSize": ["100"], "pageToken": ["more"]}]


def test_a_list_without_an_end_has_one(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.always = lambda _: Reply(200, b'{"nextPageToken": "more"}')
    with pytest.raises(Unavailable) as raised:
        endpoints.look("123")
    assert (raised.value.code, len(loopback.requests)) == ("endless_list", 20)


def test_an_endpoint_that_is_not_there_is_refused(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, {})
    refused(loopback, 404, "NOT_FOUND")
    with pytest.raises(Refused) as raised:
        endpoints.look("123")
    assert raised.value.code == "not_found"


@pytest.mark.parametrize("odd", [{"operations": {}}, {"operations": ["a"]}])
def test_a_list_that_is_none_does_not_say_that_nothing_changes(
    endpoints: VertexEndpoints, loopback: Loopback, odd: dict[str, Any]
) -> None:
    loopback.reply(200, odd)
    with pytest.raises(Unavailable, match="no list"):
        endpoints.look("123")


def test_what_is_deployed_is_what_request_says(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, {"operations": [an_operation()]})  # of a rollout before
    loopback.reply(200, {"name": "operations/1"})
    endpoints.deploy(a_rollout(), CREATED_MS + 1)
    request, sent = endpoints.request(a_rollout()), loopback.requests[-1]
    assert (sent.method, loopback.url + sent.path, json.loads(sent.body)) == (request.method, request.url, request.body)
    assert (endpoints.deployment_of(a_rollout()), endpoints.model_of(a_rollout())) == (NAME, "churn@7")


def test_a_deployment_that_failed_since_is_refused_with_its_reason(
    endpoints: VertexEndpoints, loopback: Loopback
) -> None:
    loopback.reply(200, {"operations": [an_operation()]})
    with pytest.raises(Refused, match="never became ready") as raised:
        endpoints.deploy(a_rollout(), CREATED_MS)
    assert (raised.value.code, len(loopback.requests)) == ("deployment_failed", 1)


@pytest.mark.parametrize("status", [400, 409])
@pytest.mark.parametrize("running", [(), (RUNNING,)], ids=["made", "being made"])
def test_a_deployment_that_is_there_or_being_made_is_not_refused(
    endpoints: VertexEndpoints, loopback: Loopback, status: int, running: tuple[dict[str, Any], ...]
) -> None:
    loopback.reply(200, {})
    refused(loopback, status, "ALREADY_EXISTS")
    shown(loopback, *running, **({"deployedModels": []} if running else {}))
    endpoints.deploy(a_rollout(), 0)
    assert asked(loopback) == [("GET", f"{AT}/operations"), ("POST", f"{AT}:deployModel"), *LOOK]


@pytest.mark.parametrize(("status", "error"), [(400, Refused), (409, Unavailable)])
def test_a_deployment_that_is_nowhere_to_be_seen_was_refused(
    endpoints: VertexEndpoints, loopback: Loopback, status: int, error: type[RetriggerError]
) -> None:
    loopback.reply(200, {})
    refused(loopback, status)
    shown(loopback, deployedModels=[])
    with pytest.raises(RetriggerError) as raised:
        endpoints.deploy(a_rollout(), 0)
    assert (type(raised.value), raised.value.code) == (error, "some_code")


def test_a_split_is_asked_for_over_what_was_seen(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint())
    assert endpoints.shift("123", {"1": 90, NAME: 10}, SEEN)
    [sent] = loopback.requests
    assert (sent.method, sent.path) == ("PATCH", f"{AT}?updateMask=trafficSplit")
    assert json.loads(sent.body) == {"trafficSplit": {"1": 90, NAME: 10}, "etag": "AMEw9yN"}


@pytest.mark.parametrize("status", [400, 409])
def test_an_endpoint_that_changed_since_it_was_seen_is_left_alone(
    endpoints: VertexEndpoints, loopback: Loopback, status: int
) -> None:
    refused(loopback, status, "ABORTED")
    loopback.reply(200, an_endpoint(etag="another"))
    assert not endpoints.shift("123", {NAME: 100}, SEEN)


@pytest.mark.parametrize(("status", "error"), [(400, Refused), (409, Unavailable)])
def test_a_split_that_is_refused_for_another_reason_is_refused(
    endpoints: VertexEndpoints, loopback: Loopback, status: int, error: type[RetriggerError]
) -> None:
    refused(loopback, status)
    loopback.reply(200, an_endpoint())
    with pytest.raises(RetriggerError) as raised:
        endpoints.shift("123", {NAME: 100}, SEEN)
    assert (type(raised.value), raised.value.code) == (error, "some_code")


def test_a_deployment_is_removed(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, {"name": "operations/1"})
    endpoints.remove("123", "1")
    [sent] = loopback.requests
    assert (sent.method, sent.path, json.loads(sent.body)) == ("POST", f"{AT}:undeployModel", {"deployedModelId": "1"})


@pytest.mark.parametrize("status", [400, 404, 409])
@pytest.mark.parametrize("running", [(), (RUNNING,)], ids=["removed", "being removed"])
def test_a_deployment_that_is_gone_or_going_is_as_good_as_removed(
    endpoints: VertexEndpoints, loopback: Loopback, status: int, running: tuple[dict[str, Any], ...]
) -> None:
    refused(loopback, status)
    shown(loopback, *running, **({} if running else {"deployedModels": []}))
    endpoints.remove("123", "1")
    assert asked(loopback)[1:] == LOOK


@pytest.mark.parametrize(("status", "error"), [(400, Refused), (404, Refused), (409, Unavailable)])
def test_a_deployment_that_stays_was_not_removed(
    endpoints: VertexEndpoints, loopback: Loopback, status: int, error: type[RetriggerError]
) -> None:
    refused(loopback, status)
    shown(loopback)
    with pytest.raises(RetriggerError) as raised:
        endpoints.remove("123", "1")
    assert type(raised.value) is error


def test_a_lost_answer_to_a_change_is_unknown(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.drop()
    with pytest.raises(Unknown):
        endpoints.remove("123", "1")


def test_one_without_traffic_cannot_be_asked(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint(trafficSplit={"1": 100}))
    assert endpoints.invoke("123", NAME, INSTANCES) is None
    assert asked(loopback) == [("GET", AT)]


def test_it_is_asked_until_it_is_met(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint())
    for name in ("1", "1", NAME):
        loopback.reply(200, {"predictions": [1], "deployedModelId": name})
    answer = endpoints.invoke("123", NAME, INSTANCES)
    assert answer is not None
    assert answer.status == 200
    assert asked(loopback)[1:] == [("POST", f"{AT}:predict")] * 3
    last = loopback.requests[-1]
    assert (json.loads(last.body), last.headers["content-type"]) == (INSTANCES, "application/json")
    assert last.headers["authorization"].startswith("Bearer ")


def test_a_container_asked_in_its_own_way_is_named_by_a_header(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint())
    loopback.reply(500, b"of another", X_Vertex_AI_Deployed_Model_Id="1")
    loopback.reply(422, b"of ours", X_Vertex_AI_Deployed_Model_Id=NAME)
    answer = endpoints.invoke("123", NAME, {"input_data": [1]})
    assert answer is not None
    assert answer.status == 422
    assert asked(loopback)[1:] == [("POST", f"{AT}:rawPredict")] * 2


@pytest.mark.parametrize(("share", "most"), [(50, 7), (90, 2)])
def test_it_is_not_asked_for_ever(endpoints: VertexEndpoints, loopback: Loopback, share: int, most: int) -> None:
    loopback.reply(200, an_endpoint(trafficSplit={"1": 100 - share, NAME: share}))
    loopback.always = lambda _: Reply(200, b'{"deployedModelId": "1"}')
    assert endpoints.invoke("123", NAME, INSTANCES) is None
    assert len(loopback.requests) == 1 + most


def test_it_is_not_asked_for_longer_than_a_tick_has(api: GoogleApi, http: Http, loopback: Loopback) -> None:
    hasty = VertexEndpoints(api, http, project="p", location="l", endpoint=loopback.url, patience=0)
    loopback.reply(200, an_endpoint())
    loopback.always = lambda _: Reply(200, b'{"deployedModelId": "1"}')
    assert hasty.invoke("123", NAME, INSTANCES) is None
    assert len(loopback.requests) == 2


@pytest.mark.parametrize("body", [b'{"error": {"code": 500}}', b"<html>", b"[]"])
def test_an_error_that_names_nobody_counts_against_the_one_that_was_asked(
    endpoints: VertexEndpoints, loopback: Loopback, body: bytes
) -> None:
    loopback.reply(200, an_endpoint())
    loopback.reply(500, body)
    answer = endpoints.invoke("123", NAME, INSTANCES)
    assert answer is not None
    assert (answer.status, len(loopback.requests)) == (500, 2)


def test_an_error_of_another_deployment_does_not(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint())
    loopback.reply(500, {"deployedModelId": "1"})
    loopback.reply(200, {"deployedModelId": NAME})
    answer = endpoints.invoke("123", NAME, INSTANCES)
    assert answer is not None
    assert answer.status == 200


def test_one_that_does_not_answer_has_answered_with_nothing(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, an_endpoint())
    loopback.drop()
    answer = endpoints.invoke("123", NAME, INSTANCES)
    assert answer is not None
    assert answer.status == 0


@pytest.mark.parametrize(("status", "error"), [(401, Unavailable), (403, Refused)])
def test_whoever_may_not_ask_has_learned_nothing_of_the_deployment(
    endpoints: VertexEndpoints, loopback: Loopback, status: int, error: type[RetriggerError]
) -> None:
    loopback.reply(200, an_endpoint())
    refused(loopback, status)
    with pytest.raises(RetriggerError) as raised:
        endpoints.invoke("123", NAME, INSTANCES)
    assert type(raised.value) is error


def test_cloud_monitoring_tells_how_well_it_is(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    loopback.reply(200, counted(_200=3, _500=1))
    loopback.reply(200, slow(41.6))
    assert endpoints.health("123", NAME, 0, 60_000) == Health(error_rate=0.25, p95_ms=42)
    assert asked(loopback) == [("GET", "/v3/projects/p/timeSeries")] * 2


def test_what_was_never_measured_is_not_known_yet(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    assert endpoints.health("123", NAME, 0, 59_000) is None
    refused(loopback, 404, "NOT_FOUND")
    loopback.reply(200, {})
    assert endpoints.health("123", NAME, 0, 60_000) is None


def test_whoever_may_not_ask_cloud_monitoring_is_told(endpoints: VertexEndpoints, loopback: Loopback) -> None:
    def monitoring_viewer(_: Received) -> Reply:
        return Reply(403, b'{"error": {"status": "PERMISSION_DENIED", "message": "monitoring.timeSeries.list"}}')

    loopback.always = monitoring_viewer
    with pytest.raises(Refused, match=r"monitoring\.timeSeries\.list"):
        endpoints.health("123", NAME, 0, 60_000)
