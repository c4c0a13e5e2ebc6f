"""What can be wrong with a pipeline, told to its author."""

from __future__ import annotations


class PipelineError(Exception):
    """The pipeline, its arguments or one of its tasks is wrong; the message says what and where.

    It fails the task (or the request) it belongs to. Anything else that goes wrong in the runner is a fault of
    the runner: it ends the job's process and stands in `runner.log`.
    """
