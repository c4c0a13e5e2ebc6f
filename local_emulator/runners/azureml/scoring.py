"""Makes ready what a deployment of Azure ML predicts with, and becomes the program that predicts (`scorer`).

`python -m retrigger.local_emulator.runners.azureml.scoring serve FOLDER` is an online deployment's server: FOLDER holds
its request, and gets its model, its code and its plan. `… batch MODEL INPUT OUTPUT` is the one step of a batch job: its
request is in the variable RETRIGGER_SCORING, its code in the present folder, and MODEL is "" for none.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from retrigger.local_emulator.runners import environments
from retrigger.local_emulator.runners.azureml import conda, mlmodel, scorer
from retrigger.local_emulator.runners.azureml.blobs import Mount
from retrigger.local_emulator.runners.azureml.pipelines import BLOB_ENDPOINT
from retrigger.local_emulator.runners.environments import Requirements
from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.state import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST: Final = "RETRIGGER_SCORING"
_FILE = "request.json"
_PLAN = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What predicts. `model` and `code` are addresses, "" for none; `asset` is the model's NAME/VERSION.

    Without a `script` the model is MLflow's and predicts by itself. `conda` is the text of a conda file, "" for none.
    """

    model: str = ""
    asset: str = "model/0"
    code: str = ""
    script: str = ""
    conda: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    mini_batch_size: int = 10
    error_threshold: int = -1
    output_file: str = "predictions.csv"
    append_row: bool = True

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / _FILE, json.dumps(asdict(self)))


def main() -> int:
    mode, *words = sys.argv[1:]
    try:
        if mode == "serve":
            _serve(Path(words[0]))
        else:
            _batch(*words)
    except (PipelineError, OSError) as error:
        sys.stderr.write(f"{error}\n")
    return 1


def _serve(folder: Path) -> None:
    """What was fetched once is kept: a server that is started again serves what it served before."""
    scoring = Scoring(**json.loads((folder / _FILE).read_text(encoding="utf-8")))
    code = folder / "code"
    if not (folder / _PLAN).exists():
        mount = Mount(folder / "blobs", os.environ[BLOB_ENDPOINT])
        code.mkdir(exist_ok=True)
        if scoring.code:
            mount.copy_code(scoring.code, code)
        model = mount.fetch(scoring.model) if scoring.model else None
        _plan(scoring, folder, model, code)
    _become(scoring, folder, code, ["serve"])


def _batch(model: str, source: str, target: str) -> None:
    scoring, here = Scoring(**json.loads(os.environ[REQUEST])), Path.cwd()
    folder = here.parent / "scoring"
    folder.mkdir()
    _plan(scoring, folder, Path(model) if model else None, here)
    _become(scoring, folder, here, ["batch", source, target])


def _plan(scoring: Scoring, folder: Path, model: Path | None, code: Path) -> None:
    """Write down how to predict, once everything that it takes is here."""
    plan: dict[str, Any] = {**asdict(scoring), "loader": "", "data": "", "paths": [str(code)]}
    requirements = conda.requirements(scoring.conda) if scoring.conda else Requirements((), "")
    if model is not None:
        place = folder / "models" / scoring.asset
        place.mkdir(parents=True, exist_ok=True)
        link = place / (Path(urlsplit(scoring.model).path).name or model.name)
        link.unlink(missing_ok=True)
        link.symlink_to(model.resolve())
    if scoring.script:
        script = code / scoring.script
        if not script.is_file():
            raise PipelineError(f"the scoring script {scoring.script} is not in the deployment's code")
        plan |= {"script": str(script), "paths": [str(code), str(script.parent)]}
    elif model is not None:
        flavour = mlmodel.read(model)
        requirements = requirements if scoring.conda else flavour.requirements
        plan |= {
            "loader": flavour.loader,
            "data": str(flavour.data),
            "paths": [str(flavour.code)] if flavour.code else [],
        }
    else:
        raise PipelineError("the deployment has neither a model nor a code_configuration: there is nothing to serve")
    python = environments.create(requirements, sys.executable, _say) if requirements.installs else sys.executable
    write_atomically(folder / _PLAN, json.dumps({**plan, "python": python}))


def _become(scoring: Scoring, folder: Path, code: Path, words: list[str]) -> None:
    """Go on as the program that predicts, in the environment of the model."""
    python = json.loads((folder / _PLAN).read_text(encoding="utf-8"))["python"]
    model = {"AZUREML_MODEL_DIR": str(folder / "models" / scoring.asset)} if scoring.model else {}
    told = {
        **model,
        "AZUREML_ENTRY_SCRIPT": scoring.script,
        "PYTHONUNBUFFERED": "1",
        "PATH": os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)]),
    }
    os.chdir(code)
    # -P: the scorer's neighbours are no modules of the model's.
    argv = [python, "-P", str(Path(scorer.__file__).resolve()), str(folder / _PLAN), *words]
    sys.stdout.flush()
    os.execve(python, argv, {**os.environ, **told, **scoring.variables})  # noqa: S606  # no shell is wanted


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
