"""Runs a lightweight KFP component: kfp's own executor, with `gs://` mapped to the job's folder instead of `/gcs`.

Executed as a script by the interpreter of the *component's* environment, where retrigger is not installed: it imports
nothing but kfp. It must be started with `python -P`, because `kfp.py` lies beside it.
"""

from __future__ import annotations

import os


def main() -> None:
    from kfp.dsl import executor_main
    from kfp.dsl.types import artifact_types

    artifact_types._GCS_LOCAL_MOUNT_PREFIX = os.environ["RETRIGGER_GCS_MOUNT"]  # noqa: SLF001 (there is no public way)
    executor_main.executor_main()


if __name__ == "__main__":
    main()
