from __future__ import annotations

import io
import zipfile

from retrigger.deploy.archive import archive

FILES = {"b/two.txt": b"two", "a.txt": b"one"}


def test_the_same_files_give_the_same_bytes_in_any_order() -> None:
    assert archive(FILES) == archive(dict(reversed(FILES.items())))


def test_every_file_is_a_plain_one_without_time_of_its_own() -> None:
    with zipfile.ZipFile(io.BytesIO(archive(FILES))) as zipped:
        found = [(it.filename, it.date_time, it.external_attr >> 16, it.create_system) for it in zipped.infolist()]
        contents = {name: zipped.read(name) for name in zipped.namelist()}
    beginning = (1980, 1, 1, 0, 0, 0)
    assert found == [("a.txt", beginning, 0o100644, 3), ("b/two.txt", beginning, 0o100644, 3)]
    assert contents == FILES
