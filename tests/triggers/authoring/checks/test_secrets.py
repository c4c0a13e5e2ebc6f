from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]


TRIGGER = """\
name: churn
source:
  - object: {in: landing, match: "*.csv"}
  - message: {in: requests}
launch:
  pipeline: train
  parameters: {data: "${{ event.id }}", NAME: VALUE}
"""


def told(write: Write, name: str, value: str) -> list[tuple[int, int]]:
    root = write({"triggers/churn.yaml": TRIGGER.replace("NAME", name).replace("VALUE", value)})
    return [(it.line, it.column) for it in compiling.check(root) if it.code == "secret_in_parameter"]


@pytest.mark.parametrize(
    "value",
    [
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0",
        "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=c2VjcmV0",
        "https://acme.blob.core.windows.net/raw/a.csv?sv=1&sig=c2VjcmV0",
        "postgresql://user:hunter2@db/churn",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----",
        "AIza" + "a" * 35,
        "ghp_" + "a" * 36,
        "AKIA" + "A" * 16,
        "hf_" + "a" * 34,
        "see eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "${{ vars.table }}?sig=c2VjcmV0",
    ],
)
def test_what_looks_like_a_secret_is_told_whatever_its_name(write: Write, value: str) -> None:
    assert told(write, "note", f'"{value}"') == [(7, 47)]
    assert told(write, "note", f'["{value}"]') == [(7, 48)]


@pytest.mark.parametrize("name", ["password", "db_password", "dbPassword", "API-KEY", "apikey", "token", "hf_token"])
def test_a_literal_under_the_name_of_a_secret_is_told(write: Write, name: str) -> None:
    assert told(write, name, "hunter2") == [(7, 43 + len(name))]
    assert told(write, "options", f"{{user: me, {name}: hunter2}}") == [(7, 63 + len(name))]
    assert told(write, name, "{value: hunter2}") == [(7, 51 + len(name))]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "projects/acme/secrets/db/versions/latest"),
        ("password", "https://acme.vault.azure.net/secrets/db"),
        ("password", '"${{ event.id }}"'),
        ("password", '""'),
        ("password_name", "db"),
        ("max_tokens", "512"),
        ("pad_token", '"[PAD]"'),
        ("token_type", "wordpiece"),
        ("tokenizer", "bert"),
        ("primary_key", "CLIENTNUM"),
        ("sort_key", "dt"),
        ("note", '"https://acme.blob.core.windows.net/raw/a.csv?sigma=1"'),
        ("note", '"gs://acme/user:tables@2"'),
    ],
)
def test_names_of_secrets_and_other_words_are_fine(write: Write, name: str, value: str) -> None:
    assert told(write, name, value) == []


def test_the_variables_of_environments_are_parameters_too_and_no_message_holds_the_secret(write: Write) -> None:
    root = write({})
    file = root / "retrigger.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("rows: 100", "rows: 100, dsn: 'postgresql://user:hunter2@db/churn'"), "utf-8")
    (problem,) = compiling.check(root)
    assert (problem.path, problem.line, problem.column) == ("retrigger.yaml", 7, 69)
    assert "hunter2" not in str(problem)
