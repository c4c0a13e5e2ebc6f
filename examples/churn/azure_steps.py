"""The same training on Azure ML: `python azure_steps.py STEP --NAME VALUE …` is the command of each component.

The steps are the functions of the KFP components in prepare.py and train.py; only reading is another on Azure ML, which
brings the tables as files, and so is the gate: this platform has no branches, so a model that is not good enough fails
the step, and is not registered.
"""

import argparse
import csv
import sys
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "churn"


@dataclass
class Artifact:
    """What a KFP component sees of its data: a path, and what it notes of it."""

    path: str
    metadata: dict[str, Any] = field(default_factory=dict)

    def log_metric(self, name: str, value: float) -> None:
        print(f"{name}: {value:.4f}")


def read_tables(data: str, as_of: str, table: str) -> None:
    """Joins every .csv file under the folder."""
    found = sorted(Path(data).rglob("*.csv"))
    if not found:
        raise SystemExit(f"{data} of {as_of}: there is no .csv file. Upload one, or name another folder.")
    header: list[str] = []
    with Path(table).open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        for path in found:
            with path.open(encoding="utf-8-sig", newline="") as source:
                part = csv.reader(source)
                columns = next(part, [])
                if not header:
                    header = columns
                    writer.writerow(header)
                if columns != header:
                    raise SystemExit(f"{path.name}: its columns are not those of {found[0].name}. Export it again.")
                rows = [row for row in part if row]  # an empty line is no row
                writer.writerows(rows)
            print(f"{path.name}: {len(rows)} rows")


def validate(table: str, min_rows: str, max_null_ratio: str, clean: str) -> None:
    from . import columns, prepare

    prepare.validate.python_func(
        table=Artifact(table),
        min_rows=int(min_rows),
        max_null_ratio=float(max_null_ratio),
        numbers=columns.NUMBERS,
        categories=columns.CATEGORIES,
        target=columns.TARGET,
        classes=columns.CLASSES,
        dropped=columns.DROPPED,
        clean=Artifact(clean),
    )


def split(clean: str, test_fraction: str, seed: str, train: str, test: str) -> None:
    from . import prepare

    prepare.split.python_func(Artifact(clean), float(test_fraction), int(seed), Artifact(train), Artifact(test))


def train_logreg(train: str, model: str) -> None:
    from . import train as training

    training.train_logreg.python_func(Artifact(train), Artifact(model))


def train_xgb(train: str, seed: str, model: str) -> None:
    from . import train as training

    training.train_xgb.python_func(Artifact(train), int(seed), Artifact(model))


def evaluate(test: str, logreg: str, xgb: str, min_auc: str, best: str) -> None:
    """Gives the better model, if it is good enough."""
    from . import train as training

    models = Artifact(logreg), Artifact(xgb)
    auc = training.evaluate.python_func(Artifact(test), *models, metrics=Artifact(""), best=Artifact(best))
    if auc < float(min_auc):
        raise SystemExit(f"the better model's auc, {auc:.4f}, is under min_auc, {min_auc}: it is not registered")


STEPS = {step.__name__: step for step in (read_tables, validate, split, train_logreg, train_xgb, evaluate)}


def main(step: str, *words: str) -> None:
    parser = argparse.ArgumentParser(prog=step)
    for name in STEPS[step].__annotations__:
        if name != "return":
            parser.add_argument(f"--{name.replace('_', '-')}", required=True)
    STEPS[step](**vars(parser.parse_args(words)))


def of_package(folder: Path) -> ModuleType:
    """This module as one of the package `churn`: Azure ML unpacks a component's code without its folder's name."""
    spec = spec_from_file_location(PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[PACKAGE] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[PACKAGE])
    return import_module(f"{PACKAGE}.{Path(__file__).stem}")


if __name__ == "__main__":
    of_package(Path(__file__).resolve().parent).main(*sys.argv[1:])
