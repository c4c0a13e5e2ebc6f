from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from retrigger import manifest
from retrigger.handlers.manifests import written
from retrigger.manifest import Manifest, Member, NotAManifest, read

if TYPE_CHECKING:
    from retrigger.triggers.spec import ManifestFormat

# What a store lets into a name.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=30)
URIS = st.lists(NAMES.map(lambda name: f"gs://b/{name}"), min_size=1, max_size=5, unique=True)


def member(uri: str, **known: Any) -> dict[str, Any]:
    return {"uri": uri, "version": None, "size": None, "checksum": None, "rows": None, "bad": False, **known}


@pytest.mark.parametrize("form", ["json", "uris", "mltable"])
@given(uris=URIS)
def test_what_was_written_is_read_in_each_form(uris: list[str], form: ManifestFormat) -> None:
    text = written([member(uri) for uri in uris], form).data.decode()
    assert manifest.parse(text).uris == tuple(sorted(uris))


@given(uris=URIS)
def test_an_mltable_is_yaml_that_says_the_same(uris: list[str]) -> None:
    text = written([member(uri) for uri in uris], "mltable").data.decode()
    assert yaml.safe_load(text) == {"type": "mltable", "paths": [{"file": uri} for uri in sorted(uris)]}


def test_json_tells_what_is_known_of_each_member(tmp_path: Path) -> None:
    members = [member("gs://b/b", size=3), member("gs://b/a", version="17", size=9, checksum="crc32c:x", rows=2)]
    told = written(members, "json")
    expected = Manifest(
        (Member("gs://b/a", version="17", size=9, checksum="crc32c:x", rows=2), Member("gs://b/b", size=3))
    )
    path = tmp_path / told.path
    path.write_bytes(told.data)
    assert (read(path), read(str(path)), read(told.data.decode())) == (expected, expected, expected)


def test_a_folder_with_an_mltable_is_read(tmp_path: Path) -> None:
    told = written([member("azureml://datastores/d/paths/a b.csv")], "mltable")
    path = tmp_path / told.path
    path.parent.mkdir()
    path.write_bytes(told.data)
    assert read(tmp_path / told.named) == Manifest((Member("azureml://datastores/d/paths/a b.csv"),))


def test_an_mltable_that_somebody_else_wrote_is_read() -> None:
    text = """\
$schema: https://azuremlschemas.azureedge.net/latest/MLTable.schema.json
type: mltable

paths:
  # two days
  - file: https://acme.blob.core.windows.net/c/a.csv # the first
  - file: 'it''s.csv'
transformations:
  - read_delimited: {delimiter: ','}
"""
    assert read(text).uris == ("https://acme.blob.core.windows.net/c/a.csv", "it's.csv")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"members": 1}',
        '{"members": [1]}',
        '{"members": [{}]}',
        '{"members": [{"uri": "a\\nb"}]}',
        '{"members": [{"uri": 1}]}',
        '{"a": ' * 100_000,
        "paths:\n  - folder: x\n",
        'paths:\n  - file: "x\n',
        "paths:\n  files\n",
        "gs://b/a\n\x00\n",
    ],
)
def test_what_is_no_manifest_is_told(text: str) -> None:
    with pytest.raises(NotAManifest):
        read(text)


@given(st.text(max_size=50).map(lambda text: text + "\n"))
def test_any_text_is_a_manifest_or_none(text: str) -> None:
    try:
        uris = read(text).uris
    except NotAManifest:
        return
    assert all(uris)


def test_a_component_may_carry_a_copy_of_the_module(tmp_path: Path) -> None:
    """It needs neither retrigger nor anything that is not in the standard library."""
    source = Path(manifest.__file__).read_text(encoding="utf-8")
    (tmp_path / "vendored.py").write_text(source, encoding="utf-8")
    code = "import vendored; print(vendored.read('gs://b/a\\n').uris)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "('gs://b/a',)\n"


def test_keys_of_a_newer_version_are_left_out() -> None:
    text = json.dumps({"members": [{"uri": "gs://b/a", "zone": "eu"}], "format": 9})
    assert read(text) == Manifest((Member("gs://b/a"),))
