"""What every wire format reads: the request, JSON, fields and base64; `times` reads times.

Whatever is wrong raises Malformed. Its codes are stable:

    too_large            the headers, the body (as sent or inflated) or a batch is over its bound
    too_deep             JSON nested deeper than 64
    malformed_encoding   a body that its Content-Encoding (gzip) does not describe
    malformed_utf8       bytes, or an escape inside JSON, that are no Unicode text
    malformed_json       no JSON, or JSON with a number that no double holds (NaN, 1e999)
    malformed_base64     base64 with a foreign character or a wrong padding
    malformed_header     a ce-* header whose quoting or percent-encoding is broken
    malformed_envelope   another shape than the format's
    missing_field        a field that the event cannot do without is absent, null or empty
    bad_field            a field is there, with the wrong type or an impossible value
    bad_time             a time that is not RFC 3339
    unsupported_charset  JSON declared to be in another charset than UTF-8
    unsupported_encoding a Content-Encoding other than gzip
    unsupported_version  CloudEvents before 1.0, or after
    unsupported_type     a well-formed event of a type that no trigger can listen to
    unsupported_format   a wire format that is known, and not read here
    unknown_route        no format is registered under the route
"""

from __future__ import annotations

import binascii
import json
import math
import re
import zlib
from typing import TYPE_CHECKING, Final, NoReturn

from retrigger.triggers.errors import Malformed
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retrigger.triggers.event import Json

MAX_BODY = 14 * 1024 * 1024
"""Bytes: Pub/Sub's largest message is 10 MB, and a third more in base64. Every other platform takes less."""
MAX_HEADERS = 256 * 1024
MAX_DEPTH = 64
MAX_COUNT = 2**63 - 1
_DIGITS = (str, int)
ORIGIN = "webhook-request-origin"
"""The header of CloudEvents' abuse protection: who asks to send. Its callback URL is never called."""

_HOST: Final = r"(?a)[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,253}[A-Za-z0-9])?|\*"
_CHARSET: Final = r"(?i);\s*charset=\"?([^\";\s]*)"
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_ESCAPED_SURROGATE: Final = r"\\u[dD][89a-fA-F]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One delivery: header names in lower case, `place` what follows the route's first segment.

    Of a binding the headers are the trigger metadata that the host gives beside the body. `now` is the time of receipt.
    It stands in where the wire carries no time; None makes such an event malformed.
    """

    headers: Mapping[str, str]
    body: bytes
    place: str = ""
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class Handshake:
    """The sender asks whether we want its events: no event, and answered at once. `code` is what to answer with.

    `by_header`: CloudEvents' abuse protection (an OPTIONS request whose WebHook-Request-Origin is `code`); else Event
    Grid's validation event.
    """

    code: str
    by_header: bool = False


def asked_by_header(request: Request) -> Handshake | None:
    """The handshake that the headers of an empty request ask for, if they do."""
    origin = request.headers.get(ORIGIN)
    if origin is None or request.body:
        return None
    if re.fullmatch(_HOST, origin) is None:
        raise Malformed("The header WebHook-Request-Origin is no host name; correct the sender.", code="bad_field")
    return Handshake(origin, by_header=True)


def lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with their names in lower case, if all of them together are no longer than MAX_HEADERS."""
    if sum(map(len, headers)) + sum(map(len, headers.values())) > MAX_HEADERS:
        message = f"The headers are over {MAX_HEADERS} characters; put the data into the body."
        raise Malformed(message, code="too_large")
    return {name.lower(): value for name, value in headers.items()}


def plain_body(headers: Mapping[str, str], body: bytes) -> bytes:
    """The body without its Content-Encoding: gzip is inflated, up to MAX_BODY; no other is read."""
    if len(body) > MAX_BODY:
        _refuse_size()
    match headers.get("content-encoding", "").strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _inflated(body)
        case other:
            message = f"The body's Content-Encoding {other[:40]!r} is not read; send it plain or as gzip."
            raise Malformed(message, code="unsupported_encoding")


def check_charset(content_type: str, where: str) -> None:
    """JSON between systems is UTF-8 (RFC 8259): what is declared as something else is refused, not guessed at."""
    if ";" not in content_type:
        return
    declared = re.search(_CHARSET, content_type)
    if declared is not None and declared[1].lower() not in _UTF8:
        message = f"{where} is declared as {declared[1][:40]!r}; send JSON as UTF-8."
        raise Malformed(message, code="unsupported_charset")


def json_body(request: Request) -> Json:
    """The JSON that the whole body is."""
    check_charset(request.headers.get("content-type", ""), "The body")
    return json_value(request.body, "The body")


def json_value(data: bytes, where: str) -> Json:
    """The JSON text in `data`: UTF-8, with or without a byte order mark. Of a key that stands twice the last wins.

    The scanner stops itself at the interpreter's recursion limit; what it let through is then held to MAX_DEPTH.
    """
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        raise Malformed(f"{where} is not UTF-8 at byte {exc.start}; send it as UTF-8.", code="malformed_utf8") from exc
    try:
        value: Json = _DECODER.decode(text)
    except RecursionError:
        _refuse_depth(where)
    except json.JSONDecodeError as exc:
        message = f"{where} is not JSON: {exc.msg} at character {exc.pos}; send one JSON value."
        raise Malformed(message, code="malformed_json") from exc
    except ValueError as exc:
        message = f"{where} holds a number that no double holds, or one of thousands of digits; send it as a string."
        raise Malformed(message, code="malformed_json") from exc
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper(value, MAX_DEPTH):
        _refuse_depth(where)
    if "\\" in text and re.search(_ESCAPED_SURROGATE, text):
        _refuse_lone_surrogates(value, where)
    return value


def json_bytes(value: Json) -> bytes:
    """Compact JSON in UTF-8."""
    return _ENCODER.encode(value).encode()


def mapping(value: object, where: str) -> dict[str, Json]:
    """`value`, if it is a JSON object."""
    if isinstance(value, dict):
        return value
    raise Malformed(f"{where} is {_kind(value)}, not a JSON object; send the whole event.", code="malformed_envelope")


def text(fields: Mapping[str, Json], name: str, where: str) -> str | None:
    """The string under `name`; None if it is absent, null or empty."""
    value = fields.get(name)
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    raise Malformed(f"{where} {name} is {_kind(value)}, not a string; correct the sender.", code="bad_field")


def required(fields: Mapping[str, Json], name: str, where: str) -> str:
    """The non-empty string under `name`."""
    value = fields.get(name)
    if isinstance(value, str) and value:
        return value
    text(fields, name, where)  # what is no string is refused as such
    whose = where.removesuffix("'s")
    raise Malformed(f"{whose} has no {name}; send the event with it.", code="missing_field")


def count(fields: Mapping[str, Json], name: str, where: str) -> int | None:
    """The integer of at least 0 under `name`, which JSON may carry as a string of digits; None if absent or null."""
    value = fields.get(name)
    if value is None:
        return None
    digits = str(value) if isinstance(value, _DIGITS) else ""
    if digits.isascii() and digits.isdecimal() and len(digits) <= 19 and (number := int(digits)) <= MAX_COUNT:
        return number
    raise Malformed(f"{where} {name} is no whole number from 0 to {MAX_COUNT}; correct the sender.", code="bad_field")


def base64_bytes(value: str, where: str) -> bytes:
    """Standard base64, padded, with nothing else in it."""
    if len(value) % 4 == 0:  # "AAAA=" passes the decoder
        try:
            return binascii.a2b_base64(value, strict_mode=True)
        except ValueError:
            pass
    raise Malformed(f"{where} is not padded standard base64; correct the sender.", code="malformed_base64")


def whole(value: str, where: str) -> str:
    """`value`, if it has no half characters: header names and paths may come from undecodable bytes."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            raise Malformed(f"{where} is no Unicode text; send it as UTF-8.", code="malformed_utf8") from exc
    return value


def _inflated(body: bytes) -> bytes:
    """One gzip member. Inflating stops one byte beyond the bound: a bomb costs no more than the largest body."""
    inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = inflate.decompress(body, MAX_BODY + 1)
    except zlib.error as exc:
        raise Malformed(
            "The body is not the gzip that it says it is; send it plain.", code="malformed_encoding"
        ) from exc
    if len(plain) > MAX_BODY:
        _refuse_size()
    if not inflate.eof or inflate.unused_data:
        raise Malformed("The body's gzip is cut off, or followed by more; send it whole.", code="malformed_encoding")
    return plain


def _refuse_size() -> NoReturn:
    raise Malformed(f"The body is over {MAX_BODY} bytes; put the data into a store.", code="too_large")


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(number[:24])
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def _deeper(value: Json, limit: int) -> bool:
    """Whether lists and objects nest deeper than `limit`; level by level, so that nothing recurses."""
    level: list[Json] = [value]
    for _ in range(limit):
        inside: list[Json] = []
        for node in level:
            if isinstance(node, list):
                inside += node
            elif isinstance(node, dict):
                inside += node.values()
        if not inside:
            return False
        level = inside
    return any(isinstance(node, list | dict) for node in level)


def _refuse_depth(where: str) -> NoReturn:
    raise Malformed(f"{where} nests deeper than {MAX_DEPTH} levels; flatten it.", code="too_deep") from None


def _refuse_lone_surrogates(value: Json, where: str) -> None:
    """JSON can escape half a character, which no file name, header or database takes."""
    try:
        json_bytes(value)
    except UnicodeEncodeError as exc:
        raise Malformed(
            f"{where} escapes half a surrogate pair; send whole characters.", code="malformed_utf8"
        ) from exc


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case bytes():
            return "no JSON"
        case _:
            return "an object"
