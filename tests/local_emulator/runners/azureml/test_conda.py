from __future__ import annotations

import pytest

from retrigger.local_emulator.runners.azureml.conda import requirements
from retrigger.local_emulator.runners.environments import Requirements
from retrigger.local_emulator.runners.errors import PipelineError

FILE = """\
name: train
channels: [conda-forge]
dependencies:
  - python=3.10
  - pip=24
  - conda-forge::scikit-learn=1.5
  - numpy>=1.26,<2
  - pandas==2.2.3=py310_0
  - scipy=1.14.*
  - requests
  - pip:
      - xgboost-cpu>=2.1,<2.2
      - --extra-index-url https://example.com/simple
"""


def test_pip_installs_what_a_conda_file_lists() -> None:
    assert requirements(FILE) == Requirements(
        (
            (
                *("scikit-learn==1.5.*", "numpy>=1.26,<2", "pandas==2.2.3", "scipy==1.14.*", "requests"),
                *("xgboost-cpu>=2.1,<2.2", "--extra-index-url", "https://example.com/simple"),
            ),
        ),
        "",
    )


def test_a_file_with_no_more_than_python_asks_for_nothing() -> None:
    assert requirements("dependencies: [python=3.11, pip]") == Requirements((), "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies: [", "is no YAML"),
        ("dependencies: numpy", "has no list of `dependencies`"),
        ("- numpy", "has no list of `dependencies`"),
        ("dependencies: [{pip: numpy}]", "cannot be read"),
        ("dependencies: ['!!']", "cannot be read"),
    ],
)
def test_what_is_no_conda_file_is_told(text: str, said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        requirements(text)
