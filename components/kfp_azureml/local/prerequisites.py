"""What a run needs of this machine, checked before it starts."""

from __future__ import annotations

import importlib.util
import os
import resource
from collections.abc import Mapping

from kfp_azureml.local.environment_variables import proxy_variables
from kfp_azureml.runtime.errors import PipelineError

OPEN_FILES = 1024
"""Files that each process of a run may have open: what Linux allows where nobody says anything."""
LEAST_OPEN_FILES = 256
"""The least that a run is started with: macOS' default. TensorFlow, Azurite and the inference server need about 100."""


def allow_open_files() -> None:
    """Raise this process's limit of open files, and with it its children's.

    Raises:
        PipelineError: If it stays below what a run needs.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= OPEN_FILES:
        return
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    if wanted < LEAST_OPEN_FILES:
        raise PipelineError(
            f"a process may have only {wanted} files open here, and a run needs {LEAST_OPEN_FILES}: raise the limit "
            f"(ulimit -n {OPEN_FILES})"
        )


def check_proxies(environ: Mapping[str, str] = os.environ) -> None:
    """Check that the caller's proxies can be used.

    Raises:
        PipelineError: If one is a SOCKS proxy, and a package that speaks SOCKS is missing.
    """
    # requests, under the Azure SDK, needs the first, and httpx the second.
    missing = [name for name, module in (("PySocks", "socks"), ("socksio", "socksio")) if not _is_there(module)]
    for name, value in proxy_variables(environ).items():
        if missing and name.lower() != "no_proxy" and value.lower().startswith("socks"):
            raise PipelineError(
                f"{name} names a SOCKS proxy, which needs {' and '.join(missing)}: pip install {' '.join(missing)}, or "
                "unset it"
            )


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
