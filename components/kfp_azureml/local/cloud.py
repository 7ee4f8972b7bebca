"""The Azure ML that a local run uses: one started on this machine, or a real workspace.

The steps cannot tell them apart: they get environment variables, and for the local one those are a proxy and a
certificate, as in many a company network.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kfp_azureml.azcreds import KEYS
from kfp_azureml.errors import PipelineError
from kfp_azureml.local.processes import child_group

READY_SECONDS = 600.0
"""A first start installs Azurite, over whatever network there is."""
_NETWORK = {"https_proxy", "http_proxy", "no_proxy", "requests_ca_bundle", "ssl_cert_file", "curl_ca_bundle"}


@dataclass(frozen=True)
class Cloud:
    """How to reach an Azure ML workspace.

    Attributes:
        environment: The environment variables for processes that talk to it: the caller's, and `access`.
        access: What of them lets a container reach it, which has nothing of the caller's environment.
        resource_group: Its resource group; empty: the user says it, or a config.json does.
        workspace: Its name; likewise.
        process: The local Azure ML, which goes away with this run; None for a real workspace.
    """

    environment: Mapping[str, str]
    access: Mapping[str, str]
    resource_group: str = ""
    workspace: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def is_local(self) -> bool:
        """Whether it goes away with this run."""
        return self.process is not None

    def wait(self) -> None:
        """Wait until the local Azure ML ends.

        Raises:
            PipelineError: When it does, which nobody asked for.
        """
        if self.process is not None:
            self.process.wait()
            raise PipelineError(f"the local Azure ML ended by itself, with exit code {self.process.returncode}")


@contextmanager
def real_azure_ml() -> Iterator[Callable[[], Cloud]]:
    """The caller's own Azure: credentials and names are as in any other run."""
    access = {name: value for name, value in os.environ.items() if name in KEYS or name.lower() in _NETWORK}
    yield lambda: Cloud(environment=dict(os.environ), access=access)


@contextmanager
def local_azure_ml(folder: Path, say: Callable[[str], None]) -> Iterator[Callable[[], Cloud]]:
    """Start a local Azure ML; when the block ends, it and everything it started has ended.

    Args:
        folder: The run's folder: gets the state (`azureml/`) and the log (`azureml.log`).
        say: Tells the user what is going on.

    Yields:
        What waits until it is ready and tells how to reach it: until then there are other things to do. It raises
        PipelineError if it does not start.

    Raises:
        PipelineError: If it is not installed.
    """
    command = shutil.which("azureml-emulator", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if command is None:
        raise PipelineError("the local Azure ML is not installed: install azureml-emulator, or use --azure")
    log_file = folder / "azureml.log"
    say("Starting the local Azure ML; a first start takes a minute")
    with (
        log_file.open("ab") as log,
        child_group(
            [command, "start", "--json", "--state-dir", str(folder / "azureml")],
            os.environ,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as child,
    ):

        def when_ready() -> Cloud:
            ready = json.loads(_first_line(child, log_file))
            return Cloud(
                environment={**os.environ, **ready["environment"]},
                access=ready["environment"],
                resource_group=ready["resource_group"],
                workspace=ready["workspace"],
                process=child,
            )

        yield when_ready


def _first_line(child: subprocess.Popen[bytes], log_file: Path) -> bytes:
    assert child.stdout is not None  # noqa: S101 - child_group was given a pipe
    deadline = time.monotonic() + READY_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while not selector.select(timeout=1.0):
            if time.monotonic() > deadline:
                raise PipelineError(f"the local Azure ML was not ready after {READY_SECONDS:.0f} s; see {log_file}")
    line: bytes = child.stdout.readline()
    if not line:
        reason = log_file.read_text(errors="replace").strip().splitlines()[-1:]
        raise PipelineError(f"the local Azure ML did not start: {' '.join(reason)} (whole log in {log_file})")
    return line
