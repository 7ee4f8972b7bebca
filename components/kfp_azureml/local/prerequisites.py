"""Check what a run needs of this machine: open files."""

from __future__ import annotations

import resource

from kfp_azureml.runtime.errors import PipelineError

OPEN_FILES = 1024
"""Limit of open files per process that a run sets: the default on Linux."""
MIN_OPEN_FILES = 256
"""Minimum limit for a run: the default on macOS. A run needs about 100."""


def allow_open_files() -> None:
    """Raise the limit of open files of this process and its children.

    Raises:
        PipelineError: If the limit stays below `MIN_OPEN_FILES`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= OPEN_FILES:
        return
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    if wanted < MIN_OPEN_FILES:
        raise PipelineError(
            f"the limit of open files is {wanted}, and a run needs {MIN_OPEN_FILES}: raise it (ulimit -n {OPEN_FILES})"
        )
