from __future__ import annotations

import io
import subprocess
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

from retrigger.handlers.adapters.memory import MemoryObjects
from retrigger.handlers.outcome import Verdict
from retrigger.handlers.validate.gate import gate_object
from retrigger.triggers.event import Object
from retrigger.triggers.spec import Column, ObjectCheck

COLUMNS = {"age": Column(type="int")}
FILE = io.BytesIO()
parquet.write_table(pa.table({"age": [30, 40]}), FILE)
FILES = {"csv": b"age\n30\n40\n", "jsonl": b'{"age": 30}\n{"age": 40}\n', "parquet": FILE.getvalue()}


def announced(size: int | None, *, name: str = "a", version: str | None = "1") -> Object:
    return Object(
        store="gcs", account=None, bucket="bkt", name=name, version=version, uri=f"gs://bkt/{name}", size=size
    )


@pytest.fixture
def objects() -> MemoryObjects:
    """Each file under the name of its format; names sort around them."""
    made = MemoryObjects()
    for name, data in FILES.items():
        made.put("bkt", name, data)
        made.put("bkt", f"{name}.more", b"other")
    return made


@pytest.mark.parametrize("named", FILES)
@pytest.mark.parametrize("said", FILES)
def test_a_file_is_judged_by_the_format_that_its_trigger_names(objects: MemoryObjects, named: str, said: str) -> None:
    check = ObjectCheck(format=said, columns=COLUMNS)  # type: ignore[arg-type]  # the table's keys are the formats
    for size in (len(FILES[named]), None):
        verdict, rows = gate_object(objects, announced(size, name=named), check)
        if named == said:
            assert (verdict, rows) == (Verdict("gate", "pass", "ok", "2 rows fit"), 2)
        else:
            assert (verdict.says, verdict.code) == ("stop", "bad_data")


@pytest.mark.parametrize("format_", FILES)
@pytest.mark.parametrize(("name", "version"), [("gone", "1"), ("parq", None), ("parquet", "7"), ("more", None)])
@pytest.mark.parametrize("size", [None, 9])
def test_an_object_that_is_gone_or_replaced_is_no_bad_data(
    objects: MemoryObjects, format_: str, name: str, version: str | None, size: int | None
) -> None:
    check = ObjectCheck(format=format_, columns=COLUMNS)  # type: ignore[arg-type]  # the table's keys are the formats
    verdict, rows = gate_object(objects, announced(size, name=name, version=version), check)
    assert (verdict.says, verdict.code, rows) == ("stop", "object_gone", None)


@pytest.mark.parametrize("format_", FILES)
def test_a_cold_start_pays_for_one_format(format_: str) -> None:
    script = f"""
import sys
from retrigger.handlers.adapters.memory import MemoryObjects
from retrigger.handlers.validate.gate import gate_object
from retrigger.triggers.event import Object
from retrigger.triggers.spec import ObjectCheck
it = Object(store="gcs", account=None, bucket="b", name="n", version=None, uri="gs://b/n", size=1)
print(gate_object(MemoryObjects(), it, ObjectCheck(format={format_!r}))[0].code)
print(*sorted(name for name in sys.modules if name.endswith("_gate")))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["object_gone", f"retrigger.handlers.validate.{format_}_gate"]
