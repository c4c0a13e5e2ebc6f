"""CloudEvents 1.0 over HTTP: binary, structured and batched.

Sources: https://github.com/cloudevents/spec, v1.0.2, the HTTP protocol binding and the JSON event format. Attributes
that no trigger reads (dataschema, extensions) are not checked: Google and Azure both send names that the
specification forbids. An event of a sender's own type is held to all of it: see `custom`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import rfc3339
from retrigger.triggers.formats.envelope import Envelope, media, media_type, traceparent
from retrigger.triggers.formats.times import event_time
from retrigger.triggers.formats.wire import (
    base64_bytes,
    check_charset,
    json_body,
    json_bytes,
    json_value,
    mapping,
    required,
    text,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.triggers.event import Event, Json
    from retrigger.triggers.formats.envelope import Batch
    from retrigger.triggers.formats.wire import Request

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
MAX_BATCH = 5000

_READ = frozenset({"specversion", "id", "source", "type", "time", "subject", "traceparent"})
_KNOWN = frozenset({*_READ, "data", "data_base64"})
_NAME: Final = r"(?a)[a-z0-9]+"
_MEDIA_TYPE: Final = r"(?as)[!#-'*+.^-`|~\w-]+/[!#-'*+.^-`|~\w-]+\s*(?:;.*)?"
_BROKEN_PERCENT: Final = r"%(?![0-9A-Fa-f]{2})"
_HEADER_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


Reader: TypeAlias = "Callable[[Json, Mapping[str, str], str], Envelope]"
"""One event: the JSON of it, the request's headers, and what to call it in an error."""


def read(request: Request) -> Envelope | Batch:
    """A request whose headers declare CloudEvents. The content type decides before ce-* headers do."""
    media = media_type(request.headers)
    if media == STRUCTURED:
        return structured(json_body(request), request.headers)
    if media == BATCH:
        return batch(json_body(request), request.headers)
    if media.startswith("application/cloudevents"):
        message = f"Events of content type {media[:80]} are not read; send {STRUCTURED}."
        raise Malformed(message, code="unsupported_format")
    return _binary(request)


def structured(value: Json, headers: Mapping[str, str], where: str = "The CloudEvent") -> Envelope:
    """One event in the JSON format: attributes and data in one object."""
    fields = mapping(value, where)
    _check_version(fields, where)
    data = fields.get("data")
    encoded = text(fields, "data_base64", where)
    if encoded is not None:
        if data is not None:
            message = f"{where} has both data and data_base64; send one of them."
            raise Malformed(message, code="malformed_envelope")
        content_type = text(fields, "datacontenttype", where) or "application/octet-stream"
        data_of = _content(base64_bytes(encoded, f"{where} data_base64"), content_type)
        return _envelope(fields, data_of, headers, where, _others(fields))
    return _envelope(fields, data, headers, where, _others(fields))


def batch(value: Json, headers: Mapping[str, str], read: Reader = structured) -> Batch:
    """The events of a batch, each by itself: what is wrong with one costs the others nothing."""
    if not isinstance(value, list):
        raise Malformed("The batch is no JSON array; send an array of events.", code="malformed_envelope")
    if len(value) > MAX_BATCH:
        message = f"The batch has {len(value)} events, over {MAX_BATCH}; send several."
        raise Malformed(message, code="too_large")
    return [_member(read, member, headers, f"Member {index} of the batch") for index, member in enumerate(value)]


def attributes_of(envelope: Envelope) -> dict[str, str]:
    """Content type, schema and extensions, as text, held to the specification: for events of a sender's own type."""
    others: dict[str, str] = {}
    for name, value in envelope.others.items():
        if re.fullmatch(_NAME, name) is None:
            message = f"The CloudEvent has an attribute {name[:40]!r}; name it in lower-case letters and digits."
            raise Malformed(message, code="bad_field")
        match value:
            case None:
                continue
            case bool():
                others[name] = str(value).lower()
            case int() if -(2**31) <= value < 2**31:
                others[name] = str(value)
            case str() if envelope.encoded and name != "datacontenttype":
                others[name] = decode_header(value, f"ce-{name}")
            case str():
                others[name] = whole(value, "The content type")
            case _:
                message = (
                    f"The CloudEvent's attribute {name[:40]} is no text, boolean or 32-bit integer; send it as text."
                )
                raise Malformed(message, code="bad_field")
    if re.fullmatch(_MEDIA_TYPE, others.get("datacontenttype", "a/b")) is None:
        raise Malformed("The CloudEvent's datacontenttype is no media type; correct the sender.", code="bad_field")
    if others.get("dataschema") == "":
        raise Malformed("The CloudEvent's dataschema is empty; leave it out.", code="bad_field")
    return others


def is_json(media: str) -> bool:
    """Whether a media type says JSON; data without one is JSON, as the specification has it."""
    return media in {"", "application/json", "text/json"} or media.endswith("+json")


def write_binary(event: Event, data: Json) -> tuple[dict[str, str], bytes]:
    """Attributes as headers, data as the body."""
    headers = {f"ce-{name}": quote(value, safe=_HEADER_SAFE) for name, value in _attributes(event).items()}
    return {"content-type": "application/json", **headers}, json_bytes(data)


def write_structured(event: Event, data: Json) -> tuple[dict[str, str], bytes]:
    """Attributes and data in one JSON object."""
    body: dict[str, Json] = {**_attributes(event), "datacontenttype": "application/json", "data": data}
    return {"content-type": STRUCTURED}, json_bytes(body)


def decode_header(value: str, name: str) -> str:
    """Undo what the HTTP binding does to an attribute: double quotes first, then one round of percent-encoding."""
    if '"' not in value and "%" not in value and value.isascii():
        return value
    value = whole(value, f"Header {name}")
    if '"' in value:
        value = _unquoted(value, name)
    if "%" not in value:
        return value
    if not re.search(_BROKEN_PERCENT, value):
        with suppress(UnicodeDecodeError):
            return unquote_to_bytes(value).decode()
    message = f"Header {name} is not percent-encoded UTF-8; write % itself as %25."
    raise Malformed(message, code="malformed_header")


def _unquoted(value: str, name: str) -> str:
    """Quoted strings of RFC 9110, section 5.6.4, anywhere in the value."""
    kept: list[str] = []
    quoted = False
    chars = iter(value)
    for char in chars:
        if char == '"':
            quoted = not quoted
        elif char == "\\" and quoted:
            kept.append(next(chars, ""))
        else:
            kept.append(char)
    if quoted:
        raise Malformed(f"Header {name} opens a quote and never closes it.", code="malformed_header")
    return "".join(kept)


def _binary(request: Request) -> Envelope:
    where = "The CloudEvent"
    headers = request.headers
    if "ce-cloudeventsversion" in headers:
        _refuse_version(headers["ce-cloudeventsversion"], where)
    fields: dict[str, Json] = {}
    others: dict[str, Json] = {}
    for header, value in headers.items():
        if header.startswith("ce-"):
            name = header[3:]
            if name in _READ:
                fields[name] = decode_header(value, header)
            elif name not in _KNOWN:
                others[name] = value
    _check_version(fields, where)
    content_type = headers.get("content-type")
    if content_type is not None:
        others["datacontenttype"] = content_type
    data = _content(request.body, content_type or "") if request.body else None
    return _envelope(fields, data, headers, where, others, encoded=True)


def _member(read: Reader, value: Json, headers: Mapping[str, str], where: str) -> Envelope | Malformed:
    try:
        return read(value, headers, where)
    except Malformed as error:
        return error


def _others(fields: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if name not in _KNOWN}


def _envelope(
    fields: Mapping[str, Json],
    data: Json | bytes,
    headers: Mapping[str, str],
    where: str,
    others: Mapping[str, Json],
    *,
    encoded: bool = False,
) -> Envelope:
    trace = fields.get("traceparent", headers.get("traceparent"))
    event_type = required(fields, "type", where)
    time, notes = event_time(fields, "time", event_type, where)
    return Envelope(
        id=required(fields, "id", where),
        source=required(fields, "source", where),
        type=event_type,
        time=time,
        subject=text(fields, "subject", where),
        traceparent=traceparent(trace) if isinstance(trace, str) else None,
        data=data,
        others=others,
        encoded=encoded,
        notes=notes,
    )


def _content(data: bytes, content_type: str) -> Json | bytes:
    if not is_json(media(content_type)):
        return data
    check_charset(content_type, "The data")
    return json_value(data, "The data")


def _check_version(fields: Mapping[str, Json], where: str) -> None:
    old = fields.get("cloudEventsVersion")
    if isinstance(old, str):
        _refuse_version(old, where)
    version = required(fields, "specversion", where)
    if version != "1.0":
        _refuse_version(version, where)


def _refuse_version(version: str, where: str) -> None:
    message = f"{where} is of version {version[:16]!r}; send CloudEvents 1.0."
    raise Malformed(message, code="unsupported_version")


def _attributes(event: Event) -> dict[str, str]:
    values = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": rfc3339(event.time),
        "subject": event.subject,
        "traceparent": event.traceparent,
    }
    return {name: value for name, value in values.items() if value is not None}
