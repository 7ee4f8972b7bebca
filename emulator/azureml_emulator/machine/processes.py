"""Child processes that never outlive the emulator."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from azureml_emulator.machine import crash_cleanup
from azureml_emulator.machine.child_environment import bare_environment, package_environment

WATCHDOG = Path(__file__).with_name("watchdog.py")
CRASH_CLEANUP = Path(crash_cleanup.__file__)
RUN = uuid.uuid4().hex
"""Prefix of the marks of this emulator's processes; see crash_cleanup.py."""


class ChildProcess:
    """A running command and all processes it starts.

    Attributes:
        log: The file of its stdout and stderr.
    """

    def __init__(self, process: asyncio.subprocess.Process, mark: str, log: Path) -> None:
        self._process = process
        self._mark = mark
        self.log = log

    @classmethod
    async def start(
        cls,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        lock: IO[str] | None = None,
    ) -> ChildProcess:
        """Start a command under a watchdog (see watchdog.py).

        Args:
            command: The program and its arguments.
            log: Overwritten with the command's stdout and stderr.
            env: The command's environment; a package manager's by default.
            cwd: The command's working directory.
            lock: A file whose lock is held until the command has ended.
        """
        mark = f"{RUN}/{uuid.uuid4().hex}"
        log.unlink(missing_ok=True)
        with log.open("xb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                WATCHDOG,
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env={**(package_environment() if env is None else env), crash_cleanup.VARIABLE: mark},
                cwd=cwd,
                # The watchdog keeps it open; the command does not inherit it.
                pass_fds=(lock.fileno(),) if lock else (),
                # A signal to the emulator's process group must not reach the watchdog.
                start_new_session=True,
            )
        return cls(process, mark, log)

    @property
    def exit_code(self) -> int | None:
        """The command's exit code; None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait until the command and everything it started have ended.

        Returns:
            Its exit code; negative if its watchdog was killed, and the command with it.
        """
        code = await self._process.wait()
        if code < 0:
            await asyncio.to_thread(crash_cleanup.end_processes, self._mark)
        return code

    async def stop(self) -> None:
        """End the command and everything it started, and wait until they are gone."""
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        self._process.stdin.close()
        await self.wait()

    def log_tail(self, lines: int) -> str:
        """Return the last lines of the log."""
        return log_tail(self.log, lines)


@asynccontextmanager
async def crash_cleanup_running(state_dir: Path) -> AsyncIterator[None]:
    """Clean up if this process is killed within the block; see crash_cleanup.py."""

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", CRASH_CLEANUP, RUN, state_dir),
            stdin=asyncio.subprocess.PIPE,
            # Readers of the emulator's output must not wait for this process.
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=bare_environment(),
            start_new_session=True,
        )

    async def keep(process: asyncio.subprocess.Process) -> None:
        while True:
            try:
                await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            process = await start()  # it was killed

    keeper = asyncio.create_task(keep(await start()))
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def run(
    command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> int:
    """Run a command to its end and return its exit code; cancelling ends the command.

    Args:
        command: The program and its arguments.
        log: Overwritten with the command's stdout and stderr.
        env: The command's environment; a package manager's by default.
        cwd: The command's working directory.
    """
    process = await ChildProcess.start(command, log=log, env=env, cwd=cwd)
    try:
        return await process.wait()
    finally:
        await process.stop()


def log_tail(log: Path, lines: int) -> str:
    """Return the last lines of a log file; "" if it is missing."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
