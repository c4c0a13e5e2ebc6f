"""Logs as JSON lines, with the field names that Cloud Logging reads: one constant event name, then fields."""

from __future__ import annotations

import functools
import json
import logging
import sys
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """`extra={"fields": {…}}` become fields of the line; the message is the event's constant name."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "message": record.getMessage(),
            "logger": record.name,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


@functools.cache
def configure() -> None:
    """Once a process: write retrigger's records to standard output, where functions' logs are collected."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("retrigger")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
