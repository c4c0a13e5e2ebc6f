"""Who may call an environment's functions, as it may be written in `retrigger.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from retrigger.triggers.authoring.fields import ServiceAccount, Text
from retrigger.triggers.authoring.model import Model

CALLERS = (
    "`platform` if it has checked the caller already, or a list: any of these may call (docs/auth.md); "
    "default: programs of the same machine alone."
)
_MOST = 20

Uuid = Annotated[
    str,
    Text(
        r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        "a UUID: eight, four, four, four and twelve digits",
        "UUID",
    ),
    AfterValidator(str.lower),
]
Audience = Annotated[str, Text(r"\S{1,1000}", "the audience exactly as the tokens have it, without spaces", "audience")]
Setting = Annotated[
    str,
    Text(r"[A-Za-z_][A-Za-z0-9_]{0,127}", "the name of an environment variable, never the secret itself", "setting"),
]


class GoogleCaller(Model):
    """A service account with a token of Google's: Pub/Sub push, Cloud Scheduler."""

    audience: Audience = Field(description="The token's `aud`: what the subscription or the job was given.")
    service_accounts: list[ServiceAccount] = Field(min_length=1, max_length=100, description="Those that may call.")


class EntraCaller(Model):
    """An application with a token of Microsoft Entra: Event Grid webhooks."""

    tenant: Uuid = Field(description="The directory (tenant) that issues the token.")
    audience: Audience = Field(description="The token's `aud`: the application that stands for the function.")
    apps: list[Uuid] = Field(min_length=1, max_length=100, description="Application ids that may call.")


class KeyCaller(Model):
    """Anybody with a shared secret: Event Grid webhooks without Entra."""

    setting: Setting = Field(description="The environment variable that holds the secret; not the secret.")


class Caller(Model):
    """One way to be let in: exactly one key."""

    google: GoogleCaller | None = Field(default=None, description="A service account with a token of Google's.")
    entra: EntraCaller | None = Field(default=None, description="An application with a token of Microsoft Entra.")
    key: KeyCaller | None = Field(default=None, description="A shared secret.")

    @model_validator(mode="after")
    def _one(self) -> Caller:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("one_of_keys", "takes exactly one of `google`, `entra`, `key`")
        return self


def _callers(value: object) -> object:
    """Refused here, at the key, rather than in one of the union's two halves."""
    if value != "platform" and not (isinstance(value, list) and 0 < len(value) <= _MOST):
        told = {"most": _MOST}
        raise PydanticCustomError("bad_value", "must be `platform`, or a list of 1 to {most} who may call", told)
    return value


def _form(value: object) -> str:
    return "list" if isinstance(value, list) else "platform"


Callers = Annotated[
    Annotated[Literal["platform"], Tag("platform")] | Annotated[list[Caller], Tag("list")],
    Discriminator(_form),
    BeforeValidator(_callers),
]
