"""Azure Functions."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
"""Where `function_app.py` and `host.json` lie, for hosts that take an app's folder and for bundles."""
