from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]


TRIGGER = """\
name: models
source:
  - lifecycle: {type: TYPE}
launch: {pipeline: train, parameters: {data: "${{ vars.table }}"}}
"""
ML = "Microsoft.MachineLearningServices"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f"{ML}.RunStatusChange", [(3, 23, f"(did you mean `{ML}.RunStatusChanged`?)")]),
        (f"[{ML}.RunCompleted, {ML}.modelregistered]", [(3, 72, f"(did you mean `{ML}.ModelRegistered`?)")]),
        ("Microsoft.MachineLearningService.RunCompleted", [(3, 23, f"(did you mean `{ML}.RunCompleted`?)")]),
        (f"{ML}.WholeNew", [(3, 23, f"`{ML}.WholeNew`")]),
        ("google.cloud.audit.log.v1.writen", [(3, 23, "(did you mean `google.cloud.audit.log.v1.written`?)")]),
        ("Microsoft.Storage.BlobCreated", [(3, 23, "listen with an `object` source")]),
        ("google.cloud.audit.log.v1.written", []),
        ("google.cloud.aiplatform.model.v1.deleted", []),
        ("com.acme.MachineLearningServices.RunStatusChange", []),
        ("acme.model", []),
    ],
)
def test_a_type_that_no_lifecycle_event_of_a_known_publisher_has_is_told(
    write: Write, written: str, expected: list[tuple[int, int, str]]
) -> None:
    told = compiling.check(write({"triggers/models.yaml": TRIGGER.replace("TYPE", written)}))
    assert [(it.line, it.column) for it in told] == [place[:2] for place in expected]
    assert all(it.code == "unknown_type" and part in it.message for it, (*_, part) in zip(told, expected, strict=True))
