"""Child processes that never outlive the emulator."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from azureml_emulator.machine import janitor
from azureml_emulator.machine.child_environment import bare_environment, package_environment

LEASH = Path(__file__).with_name("watchdog.py")
JANITOR = Path(janitor.__file__)
RUN = uuid.uuid4().hex
"""How the marks of this emulator's processes begin; see janitor.py."""


class ChildProcess:
    """A running command with all the processes it starts.

    Attributes:
        log: The file its stdout and stderr go to.
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
        """Start a command on a leash (see leash.py).

        Args:
            command: The program and its arguments.
            log: Written anew with the command's stdout and stderr.
            env: The command's environment; that of a package manager by default.
            cwd: The command's working directory; the emulator's own by default.
            lock: A file whose lock is held until the command has ended.

        Returns:
            The running command.
        """
        mark = f"{RUN}/{uuid.uuid4().hex}"
        log.unlink(missing_ok=True)
        with log.open("xb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                LEASH,
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env={**(package_environment() if env is None else env), janitor.VARIABLE: mark},
                cwd=cwd,
                # The leash keeps it open; the command does not inherit it.
                pass_fds=(lock.fileno(),) if lock else (),
                # Whoever kills the emulator's process group must not kill the leash before it has done its work.
                start_new_session=True,
            )
        return cls(process, mark, log)

    @property
    def exit_code(self) -> int | None:
        """The command's exit code, None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait until the command has ended, and everything it started.

        Returns:
            Its exit code; negative if its leash was killed, and the command with it.
        """
        code = await self._process.wait()
        if code < 0:
            await asyncio.to_thread(janitor.end_processes, self._mark)
        return code

    async def stop(self) -> None:
        """End the command and everything it started; returns when all of it is gone."""
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        self._process.stdin.close()
        await self.wait()

    def log_tail(self, lines: int) -> str:
        """Read the end of the log.

        Args:
            lines: How many lines at most.

        Returns:
            The last lines, without a newline at the end.
        """
        return log_tail(self.log, lines)


@asynccontextmanager
async def cleaned_up_after(state_dir: Path) -> AsyncIterator[None]:
    """Have somebody clean up if this process is killed within the block; see janitor.py.

    Args:
        state_dir: The emulator's state folder.
    """

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", JANITOR, RUN, state_dir),
            stdin=asyncio.subprocess.PIPE,
            # Whoever reads the emulator's output must not wait for the end of this.
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
            process = await start()  # somebody killed it

    keeper = asyncio.create_task(keep(await start()))
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def run(
    command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> int:
    """Run a command to its end; a cancelled wait ends the command too.

    Args:
        command: The program and its arguments.
        log: Written anew with the command's stdout and stderr.
        env: The command's environment; that of a package manager by default.
        cwd: The command's working directory; the emulator's own by default.

    Returns:
        The command's exit code.
    """
    process = await ChildProcess.start(command, log=log, env=env, cwd=cwd)
    try:
        return await process.wait()
    finally:
        await process.stop()


def log_tail(log: Path, lines: int) -> str:
    """Read the end of a log file.

    Args:
        log: The file; one that is not there counts as empty.
        lines: How many lines at most.

    Returns:
        The last lines, without a newline at the end.
    """
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
