from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.plugin import PlugInLauncher
from retrigger.handlers.jobs import BatchJob, JobStatus, PipelineJob, Request
from retrigger.handlers.wiring import cloud_of
from retrigger.triggers.environment import Environment
from retrigger.triggers.errors import Refused, RetriggerError, Unavailable, Unknown
from retrigger.triggers.spec import PlugIn

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST = Request(method="PUT", url="spool:1", body={})
JOB = PipelineJob(
    id="run-1",
    display_name="t",
    pipeline="train",
    template="sha",
    root="",
    service_account=None,
    caching=None,
    parameters={},
    labels={},
    fingerprint="f",
)
NOT_MADE = ValueError("cannot be made")


class Scripted:
    """A launcher that answers, or raises, what the environment's variables hold."""

    def __init__(self, environment: Environment) -> None:
        vars_: dict[str, Any] = dict(environment.vars)
        self.answer = vars_["answer"]
        if self.answer is NOT_MADE:
            raise NOT_MADE

    def _answer(self, *_: object) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    request = submit = status = cancel = _answer


def launcher(answer: object, attribute: str = "Scripted") -> PlugInLauncher:
    plugin = PlugIn(name="own", target=f"tests.handlers.adapters.test_plugin:{attribute}", package="acme==1")
    environment = Environment(name="dev", cloud="gcp", ledger="memory", vars={"answer": answer}, launcher=plugin)  # type: ignore[dict-item]  # what it answers with need not be JSON
    made, _ = cloud_of(environment, {})
    assert isinstance(made, PlugInLauncher)
    return made


CALLS: dict[str, Callable[[PlugInLauncher], object]] = {
    "request": lambda it: it.request(JOB, {}),
    "submit": lambda it: it.submit(JOB, {}),
    "status": lambda it: it.status(JOB),
    "cancel": lambda it: it.cancel(JOB),
}


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("request", REQUEST),
        ("submit", "created"),
        ("submit", "adopted"),
        ("submit", "conflict"),
        ("status", JobStatus(state="failed", error="out of memory")),
        ("cancel", None),
    ],
)
def test_what_a_launcher_may_say_is_what_the_core_hears(call: str, answer: object) -> None:
    assert CALLS[call](launcher(answer)) == answer


@pytest.mark.parametrize("call", ["submit", "status", "cancel"])
@pytest.mark.parametrize("error", [Refused("no", code="a"), Unavailable("later", code="b"), Unknown("?", code="c")])
def test_its_own_refusals_pass_as_they_are(call: str, error: RetriggerError) -> None:
    with pytest.raises(type(error)) as raised:
        CALLS[call](launcher(error))
    assert raised.value is error


FAILURES: dict[str, type[RetriggerError]] = {
    "request": Refused,
    "submit": Unknown,
    "status": Unavailable,
    "cancel": Unavailable,
}


@pytest.mark.parametrize("call", CALLS)
def test_any_other_exception_is_told_by_its_type(call: str) -> None:
    with pytest.raises(RetriggerError) as raised:
        CALLS[call](launcher(KeyError("a secret")))
    told = f"the launcher own (acme==1) raised KeyError at {call}; its log says where"
    assert (type(raised.value), raised.value.code, str(raised.value)) == (FAILURES[call], "launcher_failed", told)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("request", {"url": 1}),
        ("submit", "done"),
        ("submit", ["created"]),
        ("submit", None),
        ("status", "running"),
        ("status", JobStatus(state="paused")),  # type: ignore[arg-type]
    ],
)
def test_an_answer_that_it_may_not_give_is_no_answer(call: str, answer: object) -> None:
    with pytest.raises(FAILURES[call], match=f"answered {call} with"):
        CALLS[call](launcher(answer))


def test_it_launches_pipelines_alone() -> None:
    batch = BatchJob(id="run-1", display_name="t", labels={}, fingerprint="f", input=["gs://b/1.csv"], output="gs://b")
    for call in (launcher("created").submit, launcher(REQUEST).request):
        with pytest.raises(Refused, match="launches pipelines alone") as raised:
            call(batch, None)
        assert raised.value.code == "not_a_pipeline"


@pytest.mark.parametrize(
    ("attribute", "answer", "code"), [("Absent", None, "plugin_not_loaded"), ("Scripted", NOT_MADE, "launcher_failed")]
)
def test_one_that_is_not_there_launches_nothing_for_good_and_says_nothing_of_runs(
    attribute: str, answer: object, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        CALLS["submit"](launcher(answer, attribute))
    with pytest.raises(Unavailable) as unavailable:
        CALLS["status"](launcher(answer, attribute))
    assert (refused.value.code, unavailable.value.code) == (code, code)
