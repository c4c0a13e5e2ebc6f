from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrigger.triggers import compiled
from retrigger.triggers.environment import (
    Channel,
    Endpoint,
    EntraCaller,
    Environment,
    GoogleCaller,
    KeyCaller,
    Limits,
    Pipeline,
    Platform,
    Store,
)
from retrigger.triggers.errors import RetriggerError
from retrigger.triggers.launches import (
    Approval,
    BatchPrediction,
    Choice,
    Mirror,
    OnlineDeployment,
    PipelineLaunch,
    Rollback,
)
from retrigger.triggers.spec import (
    Column,
    Concurrency,
    LifecycleSource,
    MessageSource,
    ObjectCheck,
    ObjectSource,
    OnFailure,
    PlugIn,
    ScheduleSource,
    Throttle,
    Trigger,
    WindowCheck,
    WindowRule,
)

text = st.text(max_size=8)
numbers = st.integers(min_value=0, max_value=2**53)
durations = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=3660))
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text
)
jsons = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2), max_leaves=4
)
parameters = st.dictionaries(text, jsons, max_size=2)


changes = st.sampled_from(["created", "deleted", "archived", "metadata", "renamed"])
object_sources = st.builds(
    ObjectSource,
    store=text,
    match=text,
    change=st.lists(changes, max_size=3).map(tuple),
    filter=st.none() | text,
    key=st.none() | text,
    parameters=parameters,
)
message_sources = st.builds(
    MessageSource,
    channel=text,
    schema=jsons,
    filter=st.none() | text,
    parameters=parameters,
    members=st.none() | text,
)
schedule_sources = st.builds(
    ScheduleSource, cron=text, timezone=text, late_at_most=st.none() | durations, parameters=parameters
)
lifecycle_sources = st.builds(
    LifecycleSource,
    types=st.lists(text, max_size=2).map(tuple),
    platform=st.none() | text,
    filter=st.none() | text,
    key=st.none() | text,
    parameters=parameters,
)
choices = st.builds(Choice, by=text, among=st.dictionaries(text, text, max_size=2))
launches = (
    st.builds(
        PipelineLaunch,
        pipeline=text | choices,
        parameters=parameters,
        artifacts=parameters,
        register=st.sampled_from([None, "dataset"]),
    )
    | st.builds(BatchPrediction, endpoint=st.none() | text, model=st.none() | text, input=jsons, output=jsons)
    | st.builds(
        OnlineDeployment,
        endpoint=text,
        model=text,
        version=text,
        smoke=jsons,
        steps=st.lists(numbers, max_size=2).map(tuple),
        bake=durations,
        rollback_if=st.builds(Rollback, error_rate=st.none() | st.floats(0, 1), p95=st.none() | durations),
        approve=st.none() | st.builds(Approval, before=numbers, within=durations),
        mirror=st.none() | st.builds(Mirror, percent=numbers, lasts=durations),
    )
)
columns = st.builds(Column, type=st.sampled_from(["str", "int"]), one_of=st.lists(text, max_size=2).map(tuple))
plug_ins = st.builds(PlugIn, name=text, target=text, package=text, options=st.dictionaries(text, jsons, max_size=2))
triggers = st.builds(
    Trigger,
    name=text,
    sources=st.lists(object_sources | message_sources | schedule_sources | lifecycle_sources, max_size=3).map(tuple),
    launch=launches,
    description=text,
    filter=st.none() | text,
    object_check=st.none()
    | st.builds(
        ObjectCheck,
        columns=st.dictionaries(text, columns, max_size=2),
        max_null_ratio=st.none() | st.floats(0, 1),
        max_bytes=st.none() | numbers,
    ),
    window_check=st.none() | st.builds(WindowCheck, min_rows=st.none() | numbers),
    validators=st.lists(plug_ins, max_size=2).map(tuple),
    window=st.builds(
        WindowRule,
        key=st.none() | text,
        quiet=durations,
        max_wait=durations,
        max_members=numbers,
        until=st.none() | text,
        until_lists=st.booleans(),
        until_count=st.none() | numbers,
        settle=durations,
        at_max_wait=st.sampled_from(["launch", "reject"]),
        manifest=st.sampled_from(["json", "uris", "mltable"]),
    ),
    concurrency=st.builds(
        Concurrency,
        limit=numbers,
        key=st.none() | text,
        when_busy=st.sampled_from(["coalesce", "queue", "skip", "replace"]),
    ),
    throttle=st.none() | st.builds(Throttle, limit=numbers, per=durations, when_over=st.sampled_from(["hold", "skip"])),
    keep=durations,
    on_failure=st.builds(OnFailure, retry=numbers, then=st.sampled_from(["carry_over", "dead"])),
    archive=st.sampled_from(["full", "metadata", "none"]),
    redact=st.lists(text, max_size=2).map(tuple),
    mode=st.sampled_from(["launch", "observe"]),
)
pipelines = st.builds(
    Pipeline,
    template=text,
    root=text,
    service_account=st.none() | text,
    caching=st.none() | st.booleans(),
    labels=st.dictionaries(text, text, max_size=2),
    compute=st.none() | text,
    experiment=st.none() | text,
    template_uri=st.none() | text,
)
platforms = st.builds(Platform, kind=st.sampled_from(["vertex", "bigquery", "azureml"]), resource=text)
names = st.lists(text, max_size=2).map(tuple)
callers = (
    st.builds(GoogleCaller, audience=text, service_accounts=names)
    | st.builds(EntraCaller, tenant=text, audience=text, apps=names)
    | st.builds(KeyCaller, setting=text)
)
environments = st.builds(
    Environment,
    name=text,
    cloud=st.sampled_from(["gcp", "azure"]),
    project=text,
    location=text,
    workspace=text,
    ledger=text,
    vars=st.dictionaries(text, jsons, max_size=2),
    stores=st.dictionaries(text, st.builds(Store, kind=st.just("gcs"), bucket=text, prefix=text), max_size=2),
    channels=st.dictionaries(text, st.builds(Channel, address=text, subscription=st.none() | text), max_size=2),
    platforms=st.dictionaries(text, platforms, max_size=2),
    endpoints=st.dictionaries(text, st.builds(Endpoint, name=text, instance_count=st.none() | numbers), max_size=2),
    pipelines=st.dictionaries(text, pipelines, max_size=2),
    limits=st.builds(Limits, submit_per_minute=st.none() | numbers, running=st.none() | numbers),
    callers=st.just("platform") | st.lists(callers, max_size=3).map(tuple),
    archive=st.sampled_from(["full", "metadata", "none"]),
    services=st.dictionaries(text, text, max_size=2),
    launcher=st.none() | plug_ins,
    formats=st.dictionaries(text, plug_ins, max_size=2),
)

DEV = Environment(
    name="dev",
    cloud="gcp",
    project="acme-dev",
    location="europe-west4",
    ledger="gs://acme-dev-retrigger",
    stores={"landing": Store(kind="gcs", bucket="acme-dev-landing")},
)
CHURN = Trigger(
    name="churn", sources=(ObjectSource(store="landing", match="churn/*.csv"),), launch=PipelineLaunch(pipeline="churn")
)


@given(environments, st.lists(triggers, max_size=3, unique_by=lambda trigger: trigger.name), jsons)
def test_what_is_loaded_is_what_was_dumped(environment: Environment, wanted: list[Trigger], index: object) -> None:
    loaded = compiled.load(compiled.dumps(environment, wanted, {"ab": '{"root": {}}'}, index))  # type: ignore[arg-type]
    assert loaded.environment == environment
    assert loaded.index == index
    assert [loaded.trigger(trigger.name) for trigger in wanted] == wanted
    assert set(loaded.names) == {trigger.name for trigger in wanted}
    assert loaded.template("ab") == {"root": {}}


def test_the_text_does_not_depend_on_the_order_in_which_things_were_read() -> None:
    many = [replace(CHURN, name=f"t{number}") for number in range(20)]
    assert compiled.dumps(DEV, many, {}, {"a": 1, "b": 2}) == compiled.dumps(DEV, reversed(many), {}, {"b": 2, "a": 1})


def test_defaults_are_left_out() -> None:
    document = json.loads(compiled.dumps(DEV, [CHURN], {}, []))
    assert document["body"][0] == {
        "name": "churn",
        "sources": [{"kind": "object", "store": "landing", "match": "churn/*.csv"}],
        "launch": {"kind": "pipeline", "pipeline": "churn"},
    }


def test_a_trigger_and_a_template_are_parsed_once() -> None:
    loaded = compiled.load(compiled.dumps(DEV, [CHURN], {"ab": "{}"}, []))
    assert loaded.trigger("churn") is loaded.trigger("churn")
    assert loaded.template("ab") is loaded.template("ab")


def test_the_hash_is_that_of_the_text() -> None:
    one, other = (compiled.load(compiled.dumps(DEV, [CHURN], {}, index)) for index in (1, 2))
    assert len(one.hash) == 64
    assert one.hash != other.hash


WHOLE = compiled.dumps(DEV, [CHURN], {}, [])
OWN, NEXT, BEFORE = compiled.FORMAT, compiled.FORMAT + 1, compiled.FORMAT - 1


def parts(head: str, body: str) -> str:
    return f'{{"format":{OWN},"size":{len(head)},"head":{head},"body":{body}}}\n'


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("", "is not JSON, it may be cut off (Expecting value: line 1 column 1 (char 0))"),
        (WHOLE[:10], "is not JSON, it may be cut off ("),
        (WHOLE[:22], "is not JSON, it may be cut off ("),
        (WHOLE[:60], "is not JSON, it may be cut off ("),
        (WHOLE[: WHOLE.index('"body"')], "is cut off, or was changed after it was written"),
        (WHOLE[: WHOLE.index('"body"') + 20], "is cut off, or was changed after it was written"),
        (WHOLE[:-3], "is cut off, or was changed after it was written"),
        (WHOLE.replace('churn/*.csv"', 'churn/*.tsvx"'), "is cut off, or was changed after it was written"),
        (WHOLE.replace('"size":', '"size":1'), "is not JSON, it may be cut off (Extra data"),
        (WHOLE.replace('"size":', '"size":"'), "is not JSON, it may be cut off (invalid literal for int()"),
        (json.dumps(json.loads(WHOLE), indent=1), "was changed after it was written"),
        (WHOLE.encode("utf-16"), "is not JSON, it may be cut off ('utf-8' codec can't decode byte 0xff"),
        ("[" * 1_000_000, "is not JSON, it may be cut off (maximum recursion depth exceeded"),
        (parts("[" * 1_000_000, ""), "is not JSON, it may be cut off (maximum recursion depth"),
        ('{"format": ' + "9" * 5_000 + "}", "is not JSON, it may be cut off (Exceeds the limit"),
        ("[]", "does not say its format, so retrigger did not write it"),
        ("{}", "does not say its format, so retrigger did not write it"),
        (f'{{"format": {NEXT}}}', f"has format {NEXT}, and this version of retrigger reads format {OWN}"),
        (f'{{"format": {BEFORE}}}', f"has format {BEFORE}, and this version of retrigger reads format {OWN}"),
        (f'{{"format": "{OWN}"}}', f'has format "{OWN}", and this version of retrigger reads format {OWN}'),
        (parts('{"ends":[]}', "[]"), f"has format {OWN}, but not its contents"),
        (parts("[]", "[]"), f"has format {OWN}, but not its contents"),
        (parts('{"ends":[0]}', "[]"), f"has format {OWN}, but not its contents"),
        (parts('{"environment":{"mood":1},"index":[],"ends":[0]}', "[]"), f"has format {OWN}, but not its contents"),
    ],
)
def test_a_file_of_another_format_is_refused_with_both_versions_and_the_next_step(file: str | bytes, what: str) -> None:
    with pytest.raises(RetriggerError) as caught:
        compiled.load(file)
    assert caught.value.code == "compiled_format"
    assert str(caught.value).startswith(f"The compiled project {what}")
    assert str(caught.value).endswith(
        ": run `retrigger compile` with the same version of retrigger as the function's, and deploy the two together."
    )
