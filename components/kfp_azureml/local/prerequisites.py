"""Check what a run needs of this machine: open files and usable proxies."""

from __future__ import annotations

import importlib.util
import os
import resource
from collections.abc import Mapping

from kfp_azureml.local.environment_variables import proxy_variables
from kfp_azureml.runtime.errors import PipelineError

OPEN_FILES = 1024
"""Limit of open files per process that a run sets: the default on Linux."""
LEAST_OPEN_FILES = 256
"""Minimum limit for a run: the default on macOS. TensorFlow, Azurite and the inference server need about 100."""


def allow_open_files() -> None:
    """Raise the limit of open files of this process and its children.

    Raises:
        PipelineError: If the limit stays below `LEAST_OPEN_FILES`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= OPEN_FILES:
        return
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    if wanted < LEAST_OPEN_FILES:
        raise PipelineError(
            f"the limit of open files is {wanted}, and a run needs {LEAST_OPEN_FILES}: raise it "
            f"(ulimit -n {OPEN_FILES})"
        )


def check_proxies(environ: Mapping[str, str] = os.environ) -> None:
    """Check that the caller's proxies are supported.

    Raises:
        PipelineError: If one is a SOCKS proxy and a package for SOCKS is missing.
    """
    # The Azure SDK's requests needs the first, httpx the second.
    missing = [name for name, module in (("PySocks", "socks"), ("socksio", "socksio")) if not _is_there(module)]
    for name, value in proxy_variables(environ).items():
        if missing and name.lower() != "no_proxy" and value.lower().startswith("socks"):
            raise PipelineError(
                f"{name} is a SOCKS proxy, which needs {' and '.join(missing)}: pip install {' '.join(missing)}, or "
                "unset it"
            )


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
