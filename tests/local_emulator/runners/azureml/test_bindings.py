from __future__ import annotations

import pytest

from retrigger.local_emulator.runners.azureml.bindings import Bound, bind, data, fill, producers
from retrigger.local_emulator.runners.azureml.pipelines import Declared, Given
from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.values import Values

FOLDER = data("in", "https://a.blob.core.windows.net/c/in", "uri_folder")
KNOWN: dict[str, Bound | None] = {"parent.inputs.n": "5", "parent.inputs.data": FOLDER, "parent.inputs.none": None}
NAMES = {"inputs.n": "5", "inputs.word": "a b", "outputs.out": "/job/out"}


@pytest.mark.parametrize(
    ("type_", "text", "bound"),
    [
        ("integer", "5", "5"),
        ("integer", "5.0", "5"),
        ("number", "1e-3", "1e-3"),
        ("boolean", "true", "True"),
        ("boolean", "False", "False"),
        ("string", "", ""),
        ("string", "005", "005"),
    ],
)
def test_a_literal_is_given_as_its_type_writes_it(type_: str, text: str, bound: str) -> None:
    assert bind({"x": Declared(type_)}, {"x": Given(text)}, KNOWN.__getitem__) == Values({"x": bound}, {})


@pytest.mark.parametrize(
    ("type_", "text"),
    [("integer", "5.5"), ("integer", ""), ("number", "five"), ("boolean", "1"), ("uri_folder", "here")],
)
def test_a_literal_of_another_type_is_refused(type_: str, text: str) -> None:
    with pytest.raises(PipelineError, match="input 'x' is"):
        bind({"x": Declared(type_)}, {"x": Given(text)}, KNOWN.__getitem__)


def test_inputs_are_bound_defaulted_or_left_out() -> None:
    declared = {
        "n": Declared("integer"),
        "data": Declared("uri_folder"),
        "given": Declared("uri_file"),
        "text": Declared(),
        "usual": Declared(default="7"),
        "unbound": Declared(optional=True),
        "absent": Declared(optional=True),
    }
    given = {
        "n": Given("${{ parent.inputs.n }}"),
        "data": Given("${{parent.inputs.data}}"),
        "given": Given(uri=FOLDER.uri, type="uri_file"),
        "text": Given("n is ${{parent.inputs.n}}"),
        "unbound": Given("${{parent.inputs.none}}"),
        "unknown": Given("Azure ML takes it, and ignores it"),
    }
    assert bind(declared, given, KNOWN.__getitem__) == Values(
        {"n": "5", "text": "n is 5", "usual": "7"},
        {"data": (FOLDER,), "given": (data("given", FOLDER.uri, "uri_file"),)},
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "input 'x' is required, and nothing gives it"),
        ({"x": Given("${{parent.inputs.none}}")}, "input 'x' is required, and nothing gives it"),
        ({"x": Given("at ${{parent.inputs.data}}")}, "parent.inputs.data stands inside a text, and is no text"),
    ],
)
def test_an_input_without_a_value_is_refused(given: dict[str, Given], said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        bind({"x": Declared()}, given, KNOWN.__getitem__)


def test_a_step_waits_for_those_whose_outputs_it_is_bound_to() -> None:
    inputs = {
        "a": Given("${{parent.jobs.prepare.outputs.table}}"),
        "b": Given("of ${{ parent.jobs.split.outputs.n }} and ${{parent.inputs.x}}"),
        "c": Given(uri="https://a.blob.core.windows.net/c/x"),
    }
    assert producers(inputs) == {"prepare", "split"}


@pytest.mark.parametrize(
    ("command", "filled"),
    [
        ("train --n ${{inputs.n}} --out ${{ outputs.out }}", "train --n 5 --out /job/out"),
        ("train $[[--n ${{inputs.n}}]] $[[--lr ${{inputs.lr}}]]", "train --n 5 "),
        ("echo '${{inputs.word}}'", "echo 'a b'"),
    ],
)
def test_values_and_paths_go_into_a_command(command: str, filled: str) -> None:
    assert fill(command, NAMES) == filled


def test_what_a_value_holds_is_no_binding() -> None:
    assert fill("echo ${{inputs.a}}", {"inputs.a": "${{inputs.b}}", "inputs.b": "secret"}) == "echo ${{inputs.b}}"


def test_a_command_that_names_what_is_not_there_is_refused() -> None:
    with pytest.raises(PipelineError, match=r"the command names .*inputs\.lr.*, which has no value"):
        fill("train --lr ${{inputs.lr}}", NAMES)
