"""Cloud Run functions."""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).parent / "main.py"
"""The entry point's file, for hosts that take a source and a target."""
