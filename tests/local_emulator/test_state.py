from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.local_emulator.state import State

if TYPE_CHECKING:
    from pathlib import Path


def test_the_state_folder_is_its_owners_alone_and_is_not_committed(tmp_path: Path) -> None:
    state = State.at(tmp_path / "project" / ".retrigger")
    assert state.root.stat().st_mode & 0o777 == 0o700
    assert (state.root / ".gitignore").read_text() == "*\n"
