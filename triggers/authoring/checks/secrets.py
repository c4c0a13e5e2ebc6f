"""No secret goes into a parameter, which runs, ledger and logs show: its name does, and the pipeline looks it up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from retrigger.triggers.authoring.yaml import texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.authoring.yaml import At, Document
    from retrigger.triggers.event import Json

CODE: Final = "secret_in_parameter"
_VALUES: Final = {
    "a connection string": r"\b(AccountKey|SharedAccessKey|SharedAccessSignature|Password|Pwd)\s*=\s*[^\s;]",
    "a signed address": r"[?&]sig=\w|[?&]X-Goog-Signature=\w",
    "an address with a password": r"://[^/\s:@]+:[^/\s:@]+@",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an API key of Google's": r"\bAIza[\w-]{35}",
    "an access token of Google's": r"\bya29\.[\w-]{20}",
    "a token of GitHub's": r"\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{22})",
    "a key of AWS's": r"\b(AKIA|ASIA)[A-Z0-9]{16}\b",
    "a token of Slack's": r"\bxox[abprs]-[\w-]{10}",
    "a token of Hugging Face's": r"\bhf_[A-Za-z0-9]{30}",
    "an API key": r"\bsk-[\w-]{20}",
    "a signed token": r"(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.",
}
"""What a text looks like, and the form of it. Each is searched in linear time: the text may be a stranger's."""
_LIKE: Final = {told: re.compile(pattern) for told, pattern in _VALUES.items()}
_NAMES: Final = re.compile(
    r"(^|_)(password|passwd|passphrase|secret|credentials?"
    r"|(access|api|auth|bearer|hf|github|refresh|sas|session)_?token"
    r"|(access|account|api|encryption|private|secret|signing|storage|subscription)_?key)$|^token$"
)
_REFERENCE: Final = re.compile(
    r"projects/[^/]+/secrets/.+|https://[^/]+\.vault\.azure\.net/.+|\s*\$\{\{.*\}\}\s*", re.DOTALL
)
"""The name of a secret, or an expression."""


def check(project: Project) -> Iterator[Problem]:
    for one in project.authored:
        for name, value in one.trigger.launch.values.items():
            yield from _of(one.document, one.asked_at(name), value)
        for at, source in one.sources:
            for name, value in source.parameters.items():
                yield from _of(one.document, (*at, "parameters", name), value)
        for number, validator in enumerate(one.trigger.validators):
            for name, value in validator.options.items():
                yield from _of(one.document, ("validate", "with", number, validator.name, name), value)
    for environment in project.environments.values():
        for name, value in environment.vars.items():
            yield from _of(project.document, ("environments", environment.name, "vars", name), value)
        for endpoint, served in environment.endpoints.items():
            at = ("environments", environment.name, "endpoints", endpoint, "environment_variables")
            for name, text in (served.environment_variables or {}).items():
                yield from _of(project.document, (*at, name), text)


def _of(document: Document, place: At, value: Json) -> Iterator[Problem]:
    for at, text in texts(place, value):
        names = [str(key) for key in at[len(place) - 1 :] if isinstance(key, str)]
        reason = next((reason for name in names if (reason := secret(name, text))), None)
        if reason:
            told = f"`{at[-1]}` {reason}: keep it in a secret store, and pass the secret's name."
            yield document.problem(at, CODE, told)


def secret(name: str, text: str) -> str | None:
    """Why a text under this name must be a secret, if it must; never with the text itself in it."""
    for told, pattern in _LIKE.items():
        if pattern.search(text):
            return f"looks like {told}"
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-.]", "_", name).lower()
    if text and _NAMES.search(words) and not _REFERENCE.fullmatch(text):
        return "has the name of a secret and a value that anyone can read"
    return None
