"""The Azure ML that a local run uses: one started on this machine, or a real workspace.

The steps run the same code with both: they get environment variables, which for the local one set a proxy and a CA
certificate, as in a company network.
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
from dataclasses import dataclass, field
from pathlib import Path

from kfp_azureml.azureml.socks_proxy import check_socks_proxy
from kfp_azureml.local.child_group import child_group
from kfp_azureml.local.containers import CERTIFICATES
from kfp_azureml.local.environment_variables import (
    azure_variables,
    common_variables,
    package_variables,
    proxy_variables,
)
from kfp_azureml.local.exit_codes import exit_description
from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.runtime.terminal import plain

READY_SECONDS = 600.0
"""Timeout of the start in seconds; the first start downloads Azurite."""
_LAST_LINES = 3
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Cloud:
    """An Azure ML workspace and the environment variables to access it.

    Attributes:
        environment: Environment variables of all processes of the run, including `network`.
        network: Variables for the network, such as proxies; containers get only these.
        credentials: Variables with credentials for Azure.
        resource_group: Resource group of the workspace; empty if the user or a config.json sets it.
        workspace: Name of the workspace; empty if the user or a config.json sets it.
        process: The Azure ML emulator, which ends with this run; None for a real workspace.
        log: Log of the Azure ML emulator.
    """

    environment: Mapping[str, str]
    network: Mapping[str, str]
    credentials: Mapping[str, str] = field(repr=False)
    resource_group: str = ""
    workspace: str = ""
    process: subprocess.Popen[bytes] | None = None
    log: Path | None = None

    @property
    def is_emulated(self) -> bool:
        """Whether it ends with this run."""
        return self.process is not None

    def check(self) -> None:
        """Check that the Azure ML emulator is running.

        Raises:
            PipelineError: If it has ended.
        """
        if self.process is not None and self.log is not None and self.process.poll() is not None:
            raise PipelineError(f"the Azure ML emulator {_exit_description(self.process, self.log)}")

    def wait(self) -> None:
        """Wait while the Azure ML emulator is running.

        Raises:
            PipelineError: When it has ended.
        """
        while self.is_emulated:
            self.check()
            time.sleep(_POLL_SECONDS)


@contextmanager
def real_azure_ml() -> Iterator[Callable[[], Cloud]]:
    """Yield a function that returns the caller's own Azure, with the caller's credentials and proxies."""
    check_socks_proxy(with_httpx=True)
    network = proxy_variables() | {name: value for name, value in os.environ.items() if name in CERTIFICATES}
    yield lambda: Cloud(common_variables() | network, network, azure_variables())


@contextmanager
def local_azure_ml(folder: Path, say: Callable[[str], None]) -> Iterator[Callable[[], Cloud]]:
    """Start an Azure ML emulator; when the block ends, end it and all its child processes.

    Args:
        folder: The run's folder, for the state (`azureml/`) and the log (`azureml.log`).
        say: Prints a line.

    Yields:
        A function that waits until it is ready and returns it; it raises PipelineError if the start fails.

    Raises:
        PipelineError: If it is not installed.
    """
    command = shutil.which("azureml-emulator", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if command is None:
        raise PipelineError("the Azure ML emulator is not installed: install azureml-emulator, or use --azure")
    log_file = folder / "azureml.log"
    say("Starting the Azure ML emulator (the first start takes about a minute)")
    with (
        log_file.open("ab") as log,
        child_group(
            [command, "start", "--json", "--state-dir", str(folder / "azureml")],
            # It builds environments of deployments with the caller's proxies and package indexes.
            common_variables() | proxy_variables() | package_variables(),
            stdout=subprocess.PIPE,
            stderr=log,
        ) as child,
    ):

        def when_ready() -> Cloud:
            ready = json.loads(_first_line(child, log_file))
            credentials = azure_variables(ready["environment"])
            network = {name: value for name, value in ready["environment"].items() if name not in credentials}
            return Cloud(
                # Without the caller's proxies, which would get the requests for the Azure ML emulator.
                common_variables() | network,
                network,
                credentials,
                resource_group=ready["resource_group"],
                workspace=ready["workspace"],
                process=child,
                log=log_file,
            )

        yield when_ready


def _first_line(child: subprocess.Popen[bytes], log_file: Path) -> bytes:
    assert child.stdout is not None  # noqa: S101 - child_group was given a pipe
    deadline = time.monotonic() + READY_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while not selector.select(timeout=1.0):
            if time.monotonic() > deadline:
                raise PipelineError(f"the Azure ML emulator was not ready after {READY_SECONDS:.0f} s; see {log_file}")
    line: bytes = child.stdout.readline()
    if not line:
        child.wait()
        raise PipelineError(f"the Azure ML emulator did not start: it {_exit_description(child, log_file)}")
    return line


def _exit_description(child: subprocess.Popen[bytes], log: Path) -> str:
    last = plain(log.read_text(errors="replace")).strip().splitlines()[-_LAST_LINES:]
    said = f"; its log ends with: {' / '.join(line.strip() for line in last)}" if last else ""
    return f"{exit_description(child.returncode)}{said} (see {log})"
