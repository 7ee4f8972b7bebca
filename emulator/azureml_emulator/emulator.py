"""The emulator as a context manager, for tests and scripts in Python."""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from azureml_emulator.errors import EmulatorError
from azureml_emulator.info import EmulatorInfo

READY_SECONDS = 600.0
STOP_SECONDS = 30.0


@contextmanager
def running_emulator(
    state_dir: Path | None = None, *, arguments: Sequence[str] = (), ready_seconds: float = READY_SECONDS
) -> Iterator[EmulatorInfo]:
    """Run an emulator as a child process for the time of the block.

    It also ends when this process ends in any way.

    Args:
        state_dir: State folder; None for a temporary one.
        arguments: More arguments for `azureml-emulator start`.
        ready_seconds: Start timeout. The first start on a machine installs Azurite.

    Yields:
        How to reach it; pass `environment` to client processes.

    Raises:
        EmulatorError: If it does not start.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "azureml_emulator", "start", "--json"),
                *(("--state-dir", state_dir) if state_dir else ()),
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            process_group=0,  # a Ctrl-C is for this process alone, which may have requests left to make
        )
        try:
            line = ready_line(process, ready_seconds)
            if not line:
                errors.seek(0)
                raise EmulatorError(errors.read().decode(errors="replace").strip() or "the emulator did not start")
            yield EmulatorInfo.from_json(line)
        finally:
            stop_process(process)


def ready_line(process: subprocess.Popen[bytes], seconds: float) -> str:
    """Wait for an emulator's ready line; return "" if it ended or the timeout passed."""
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline().decode() if ready else ""


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """Stop an emulator that this process started, and wait until it has ended."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
