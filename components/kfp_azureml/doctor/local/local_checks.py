"""The checks of this machine, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from kfp_azureml.doctor.local.folders import check_cache, check_runs, check_umask
from kfp_azureml.doctor.local.machine import (
    check_cpu,
    check_disk,
    check_loopback,
    check_memory,
    check_open_files,
    check_python,
)
from kfp_azureml.doctor.local.tools import (
    check_docker,
    check_emulator,
    check_java,
    check_package_index,
    check_packages,
)
from kfp_azureml.runtime.checks import Check


def local_checks(runs: Path, environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Yield the checks of this machine.

    Args:
        runs: Parent folder of the runs.
        environ: The environment variables.
    """
    yield Check("local.python", lambda _: check_python())
    yield Check("local.packages", lambda _: check_packages())
    yield Check("local.emulator", lambda _: check_emulator(environ))
    yield Check("local.cpu", lambda _: check_cpu())
    yield Check("local.memory", lambda _: check_memory())
    yield Check("local.open-files", lambda _: check_open_files())
    yield Check("local.loopback", lambda _: check_loopback())
    yield Check("local.umask", lambda _: check_umask())
    yield Check("local.runs-folder", lambda _: check_runs(runs))
    yield Check("local.disk", lambda _: check_disk(runs))
    yield Check("local.cache-folder", lambda _: check_cache(environ))
    yield Check(
        "local.package-index",
        lambda _: check_package_index(environ),
        needs=("network.proxy", "network.ca-bundle", "local.cache-folder"),
    )
    yield Check("local.docker", lambda _: check_docker(environ))
    yield Check("local.java", lambda _: check_java(environ))
