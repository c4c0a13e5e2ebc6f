"""What a test may ask about a process that it did not start itself."""

from __future__ import annotations

from pathlib import Path


def is_gone(pid: int) -> bool:
    """No such process, or a zombie: one that is dead and only waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second: it went between the opening and the reading
        return True
