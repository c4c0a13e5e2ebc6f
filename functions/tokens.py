"""Tokens that say who calls: OpenID Connect of Google and of Microsoft Entra, as signed JSON Web Tokens (RFC 7519).

Google's: https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions. Entra's versions 1 and 2:
https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference. Imported only where such a caller
is declared: PyJWT and cryptography take tens of milliseconds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import jwt

from retrigger.functions.issuer_keys import IssuerKeys
from retrigger.triggers.environment import EntraCaller, GoogleCaller
from retrigger.triggers.errors import NotAllowed
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from retrigger.functions.auth import Call
    from retrigger.handlers.transport.http import Http

LEEWAY_S: Final = 60.0
LONGEST: Final = 8 * 1024
_GOOGLE_CERTS: Final = "https://www.googleapis.com/oauth2/v3/certs"
_ENTRA_CERTS: Final = "https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys"
_BEARER = re.compile(r"(?i:bearer) ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)")
# Cloud Run puts this in the place of a signature that it has checked itself.
_REMOVED = ".SIGNATURE_REMOVED_BY_GOOGLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRule:
    """Who signs (`issuers`: name -> the claim that names the caller), for whom, and which callers are let in.

    `verified` is a claim that must be true before the caller's name counts; None if the issuer needs none.
    """

    issuers: Mapping[str, str]
    audience: str
    allowed: frozenset[str]
    verified: str | None
    keys: IssuerKeys

    def admit(self, call: Call, now: float) -> None:
        """Raises NotAllowed; Unavailable if the issuer's keys cannot be had."""
        token = _bearer(call.headers.get("authorization"))
        key = self.keys.key(self._key_id(token), now)
        if key is None:
            raise _unknown("token_key_unknown", "the token's key is none of its issuer's; send a token of today")
        claims = self._claims(token, key)
        _check_times(claims, now)
        self._check_caller(claims)

    def _key_id(self, token: str) -> str:
        """Read before anything is proved, and trusted with nothing but the choice of a key."""
        try:
            unproved = jwt.decode_complete(token, options={"verify_signature": False})
        except jwt.InvalidTokenError as error:
            raise _malformed() from error
        issuer = unproved["payload"].get("iss")
        if not isinstance(issuer, str) or issuer not in self.issuers:
            raise _unknown("token_issuer", "the token is not of an issuer whose callers may call; check `callers`")
        return str(unproved["header"].get("kid", ""))

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self.audience,
                issuer=self.issuers.keys(),
                options={
                    "strict_aud": True,
                    "require": ["aud", "exp", "iat", "iss"],
                    # PyJWT would read the machine's clock: see _check_times.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidTokenError as error:
            raise _not_proved(error) from error

    def _check_caller(self, claims: Mapping[str, Any]) -> None:
        caller = claims.get(self.issuers[claims["iss"]])
        if not isinstance(caller, str) or (self.verified is not None and claims.get(self.verified) is not True):
            raise _unknown("caller_not_verified", "the token does not say for certain who calls; send one that does")
        if caller not in self.allowed:
            message = f"{caller} may not call; add it to `callers` of the environment, or take this caller away"
            raise NotAllowed(message, code="caller_not_allowed", status=403)


def token_rules(
    callers: Iterable[GoogleCaller | EntraCaller], endpoints: Mapping[str, str], http: Http
) -> list[TokenRule]:
    """Rules of the same issuer share its keys. `endpoints`: other addresses of them (`google_certs`, `entra_certs`)."""
    shared: dict[str, IssuerKeys] = {}

    def keys(name: str, public: str) -> IssuerKeys:
        url = endpoints.get(name, public)
        return shared.setdefault(url, IssuerKeys(http, url))

    def rule(caller: GoogleCaller | EntraCaller) -> TokenRule:
        match caller:
            case GoogleCaller():
                return TokenRule(
                    issuers={"https://accounts.google.com": "email", "accounts.google.com": "email"},
                    audience=caller.audience,
                    allowed=frozenset(caller.service_accounts),
                    verified="email_verified",
                    keys=keys("google_certs", _GOOGLE_CERTS),
                )
            case EntraCaller(tenant=tenant):
                return TokenRule(
                    issuers={
                        f"https://sts.windows.net/{tenant}/": "appid",
                        f"https://login.microsoftonline.com/{tenant}/v2.0": "azp",
                    },
                    audience=caller.audience,
                    allowed=frozenset(caller.apps),
                    verified=None,
                    keys=keys("entra_certs", _ENTRA_CERTS.format(tenant=tenant)),
                )

    return [rule(caller) for caller in callers]


def _bearer(authorization: str | None) -> str:
    """The token. Two headers have been joined by a comma on the way: that is no token."""
    if authorization is None:
        raise _unknown("no_credentials", "the call has no token; send one in the header `Authorization`")
    if len(authorization) > LONGEST:
        raise _unknown("token_too_long", f"the token is longer than {LONGEST:,} bytes; send a shorter one")
    found = _BEARER.fullmatch(authorization)
    if found is None:
        raise _malformed()
    if found[1].endswith(_REMOVED):
        message = "Cloud Run has checked the token and taken its signature away; write `callers: platform`"
        raise _unknown("token_signature_removed", message)
    return found[1]


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """Said in the positive: what is no number is in no time."""
    ends, issued, begins = claims["exp"], claims["iat"], claims.get("nbf", 0)
    if not all(type(moment) in (int, float) for moment in (ends, issued, begins)):
        raise _malformed()
    if not now - LEEWAY_S < ends:
        raise _unknown("token_expired", "the token has expired; send a new one")
    if not (issued <= now + LEEWAY_S and begins <= now + LEEWAY_S):
        raise _unknown("token_not_yet_valid", "the token is of the future; check the clocks of both sides")


def _not_proved(error: jwt.InvalidTokenError) -> NotAllowed:
    match error:
        case jwt.InvalidAlgorithmError():
            return _unknown("token_algorithm", "the token is not signed with RS256; send one that is")
        case jwt.InvalidSignatureError():
            return _unknown("token_signature", "the token's signature is not its issuer's; send it unchanged")
        case jwt.InvalidAudienceError():
            return _unknown("token_audience", "the token is for another audience; give both sides the same `audience`")
        case jwt.MissingRequiredClaimError():
            return _unknown("token_incomplete", "the token lacks one of aud, exp, iat, iss; send one that has them")
        case _:
            return _malformed()


def _malformed() -> NotAllowed:
    return _unknown("token_malformed", "the header `Authorization` holds no signed token; send `Bearer TOKEN`")


def _unknown(code: str, message: str) -> NotAllowed:
    return NotAllowed(message, code=code, status=401)
