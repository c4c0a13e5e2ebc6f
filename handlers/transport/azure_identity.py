"""Tokens of Microsoft Entra where no managed identity gives them: through azure-identity, as Azure's SDKs get them.

It is slow to import, and so asked only where the platform cannot serve. Its search for credentials:
https://learn.microsoft.com/azure/developer/python/sdk/authentication/credential-chains#defaultazurecredential-overview
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import DefaultAzureCredential, EnvironmentCredential, WorkloadIdentityCredential

    Credential: TypeAlias = DefaultAzureCredential | EnvironmentCredential | WorkloadIdentityCredential

_CONNECT_S: Final = 3.0
_READ_S: Final = 10.0

Named: TypeAlias = Literal["service principal", "workload identity"]


def named_by(environ: Mapping[str, str]) -> Named | None:
    """Whose credentials the environment names; None where they must be looked for (`az login` and others)."""
    if environ.get("AZURE_FEDERATED_TOKEN_FILE"):
        return "workload identity"
    if environ.get("AZURE_CLIENT_SECRET") or environ.get("AZURE_CLIENT_CERTIFICATE_PATH"):
        return "service principal"
    return None


def ask(named: Named | None, resource: str, clock: Callable[[], float]) -> tuple[str, float]:
    """A token and its lifetime in seconds. The library reads the variables of its process.

    Raises Unavailable where there are no credentials or nobody answered, Refused where they were not accepted.
    """
    try:
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity import CredentialUnavailableError
    except ImportError as exc:
        message = "no managed identity answers here, and the library that looks for other credentials is not installed"
        raise Unavailable(f"{message}; install `retrigger[credentials]`", code="no_credentials") from exc
    try:
        with _credential(named) as credential:
            token = credential.get_token(resource.rstrip("/") + "/.default")
    except (CredentialUnavailableError, ValueError) as exc:
        message = f"the {named or 'login'} is not complete; set AZURE_TENANT_ID and AZURE_CLIENT_ID too"
        raise Unavailable(message, code="no_credentials") from exc
    except ClientAuthenticationError as exc:
        raise _failure(named, exc) from exc
    return token.token, token.expires_on - clock()


def _credential(named: Named | None) -> Credential:
    from azure.identity import DefaultAzureCredential, EnvironmentCredential, WorkloadIdentityCredential

    # The library would wait for 300 seconds, four times; whoever asks tries again later, and others wait for the token.
    bounds: dict[str, Any] = {"connection_timeout": _CONNECT_S, "read_timeout": _READ_S, "retry_total": 0}
    match named:
        case "service principal":
            return EnvironmentCredential(**bounds)
        case "workload identity":
            return WorkloadIdentityCredential(**bounds)
        case None:  # a managed identity was asked for already
            return DefaultAzureCredential(exclude_managed_identity_credential=True, **bounds)


def _failure(named: Named | None, error: ClientAuthenticationError) -> Refused | Unavailable:
    """The library has one error for credentials that are refused and for all else, which it names as the cause."""
    if error.__cause__ is not None:
        return Unavailable("Microsoft Entra gave no token, or did not answer; try again", code="no_token")
    if named is None:
        message = "there are no Azure credentials here; run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and"
        return Unavailable(f"{message} AZURE_CLIENT_SECRET", code="no_credentials")
    return Refused(f"Microsoft Entra did not accept the {named}; renew it", code="credentials_rejected")
