"""`python -m retrigger.cli`: the same as `retrigger`."""

from __future__ import annotations

from retrigger.cli import main

main()
