"""From csv objects in a bucket to two numeric tables, one to learn from and one to be tested on.

kfp compiles the text of each function alone and reads its annotations as they stand: so a component imports what it
needs inside, knows nothing of its module, and `from __future__ import annotations` may not be used here.
"""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from .requirements import BASE_IMAGE, REQUIREMENTS


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def read_tables(data: str, as_of: str, table: Output[Dataset]) -> None:
    """Joins every .csv object under the folder `gs://bucket/prefix/`, or takes the object `gs://bucket/name.csv`."""
    import csv
    from datetime import date
    from pathlib import Path

    from google.cloud import storage

    try:
        day = date.fromisoformat(as_of).isoformat()
    except ValueError:
        day = None
    if as_of != day:
        raise ValueError(f"as_of: {as_of!r} is not a date. Give it as YYYY-MM-DD.")
    bucket, _, name = data.removeprefix("gs://").partition("/")
    if not data.startswith("gs://") or not bucket or not (name.endswith(".csv") or data.endswith("/")):
        raise ValueError(f"data: {data!r} is neither gs://BUCKET/FOLDER/ nor gs://BUCKET/NAME.csv. Name one of them.")
    client = storage.Client()
    if name.endswith(".csv"):
        found = [blob for blob in [client.bucket(bucket).get_blob(name)] if blob]
    else:
        listed = sorted(client.list_blobs(bucket, prefix=name), key=lambda blob: blob.name)
        found = [blob for blob in listed if blob.name.endswith(".csv")]
        for blob in listed:
            if blob not in found:
                print(f"gs://{bucket}/{blob.name}: skipped, not a .csv table")
    if not found:
        raise ValueError(f"{data}: there is no .csv object. Upload one, or name another folder.")

    header: list[str] = []
    rows = 0
    with Path(table.path).open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        for blob in found:
            uri, before = f"gs://{bucket}/{blob.name}", rows
            # The generation holds the read to one version, even if the object is replaced meanwhile.
            with blob.open("r", encoding="utf-8-sig", newline="", if_generation_match=blob.generation) as source:
                part = csv.reader(source)
                columns = next(part, [])
                if not header:
                    header = columns
                    writer.writerow(header)
                if columns != header:
                    differing = ", ".join(sorted(set(columns) ^ set(header))) or "their order"
                    raise ValueError(
                        f"{uri}: its columns are not those of {found[0].name} ({differing}). Export it again."
                    )
                for row in filter(None, part):  # an empty line is no row
                    writer.writerow(row)
                    rows += 1
            print(f"{uri}: rows {before + 1} to {rows}")
    table.metadata.update({"source": data, "as_of": as_of, "objects": len(found), "rows": rows})


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def validate(
    table: Input[Dataset],
    min_rows: int,
    max_null_ratio: float,
    numbers: list[str],
    categories: dict[str, list[str]],
    target: str,
    classes: list[str],
    dropped: list[str],
    clean: Output[Dataset],
) -> None:
    """Refuses a table that no model should learn from; writes numbers only, the answer (0 or 1) in the last column.

    A text column becomes a column for each of its values, so that every run and every client has the same features.
    Rows with an empty cell are left out, as long as no column has more than `max_null_ratio` of them.
    """
    import csv
    import math
    from pathlib import Path

    allowed = {**categories, target: classes}
    expected = [target, *numbers, *sorted(categories)]

    def wrong(column: str, text: str) -> str:
        if not text:
            return "empty"
        if column in allowed:
            return "" if text in allowed[column] else f"none of {', '.join(allowed[column])}"
        try:
            return "" if math.isfinite(float(text)) else "not a number"
        except ValueError:
            return "not a number"

    faults: dict[tuple[str, str], list[int]] = {}  # column, what is wrong -> first row, number of rows
    counts = [0, 0]
    with (
        Path(table.path).open(encoding="utf-8", newline="") as source,
        Path(clean.path).open("w", encoding="utf-8", newline="") as out,
    ):
        reader = csv.reader(source)
        header = next(reader, [])
        problems = [f"{c} is missing" for c in expected if c not in header]
        problems += [f"{c} is unknown" for c in header if c not in expected and c not in dropped]
        problems += [f"{c} stands there twice" for c in sorted(set(header)) if header.count(c) > 1]
        if problems:
            raise ValueError(f"the columns are not those of this pipeline: {', '.join(problems)}. Mend the export.")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*numbers, *(f"{c}={value}" for c in sorted(categories) for value in categories[c]), target])
        at = 0
        for at, cells in enumerate(reader, start=1):
            row = dict(zip(header, cells, strict=False))
            found = [(c, what) for c in expected if (what := wrong(c, row.get(c, "")))]
            if len(cells) != len(header):
                found = [("number of cells", f"not {len(header)}")]
            for fault in found:
                faults.setdefault(fault, [at, 0])[1] += 1
            if not found:
                answer = classes.index(row[target])
                dummies = [int(row[c] == value) for c in sorted(categories) for value in categories[c]]
                writer.writerow([*(float(row[c]) for c in numbers), *dummies, answer])
                counts[answer] += 1

    # Rows are counted from 1 under the header. A reason names row and column, never the cell: it may be personal data.
    for (column, what), (first, count) in faults.items():
        if what != "empty" or count > max_null_ratio * at:
            problems.append(f"{column} is {what} in row {first}" + (f" and {count - 1} more" if count > 1 else ""))
    if len(problems) > 6:
        problems[5:] = [f"{len(problems) - 5} more"]
    if not problems and sum(counts) < min_rows:
        problems = [f"there are {sum(counts)} rows where at least {min_rows} are needed"]
    if not problems and min(counts) < 10:
        problems = [f"{target} has {counts[0]} of {classes[0]} and {counts[1]} of {classes[1]} where 10 are needed"]
    if problems:
        raise ValueError(f"the table is not fit for training: {'; '.join(problems)}. Mend the export.")
    print(f"{at} rows read, {sum(counts)} used")
    clean.metadata.update({"rows": sum(counts), "positive": counts[1]})


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def split(
    clean: Input[Dataset], test_fraction: float, seed: int, train: Output[Dataset], test: Output[Dataset]
) -> None:
    """Puts the same share of both classes on both sides; the same seed gives the same sides."""
    import random
    from pathlib import Path

    header, *rows = Path(clean.path).read_text(encoding="utf-8").splitlines(keepends=True)
    shuffle = random.Random(seed).shuffle
    sides: dict[str, list[str]] = {train.path: [], test.path: []}
    for answer in ("0", "1"):
        members = [row for row in rows if row.rstrip().endswith(f",{answer}")]
        shuffle(members)
        cut = round(len(members) * test_fraction)
        sides[test.path] += members[:cut]
        sides[train.path] += members[cut:]
    for path, side in sides.items():
        shuffle(side)
        Path(path).write_text("".join([header, *side]), encoding="utf-8")
