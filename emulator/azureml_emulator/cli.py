"""The command `azureml-emulator`."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from azureml_emulator.errors import EmulatorError, making
from azureml_emulator.info import FILE_NAME, LOCK_NAME, EmulatorInfo
from azureml_emulator.machine.locks import is_locked
from azureml_emulator.machine.ownership import refuse_foreign
from azureml_emulator.machine.temporary_state import throw_away_folder

STOP_SECONDS = 30.0
STOP_POLL_SECONDS = 0.05


class _Cli(click.Group):
    """Shows an EmulatorError as one line."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except EmulatorError as error:
            raise click.ClickException(str(error)) from None


def default_state_dir() -> Path:
    """Where an emulator keeps its state when nobody says otherwise."""
    shared = os.environ.get("XDG_STATE_HOME")
    return (Path(shared) if shared else Path.home() / ".local" / "state") / "azureml-emulator"


state_dir_option = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the emulator keeps its state.",
)


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A local Azure Machine Learning for unmodified clients."""
    # All that is written here, by child processes too, is for its owner only: keys, secrets, data.
    os.umask(0o077)


@main.command()
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line when ready, instead of text.")
@click.option("--detach", is_flag=True, help="Return when ready, and leave the emulator running.")
@click.option("--outlive-parent", is_flag=True, help="Go on when the process that started the emulator is gone.")
@click.option("--token-seconds", type=click.IntRange(1), default=3600, show_default=True, help="Life of access tokens.")
@click.option("--retry-after", type=click.IntRange(1), default=1, show_default=True, help="Seconds between polls.")
@click.option("--endpoint-seconds", type=click.FloatRange(0), default=0, help="How long endpoint operations take.")
@click.option(
    "--settle-seconds", type=click.FloatRange(0), default=0, help="How long changes are refused after a success."
)
@click.option(
    "--scoring",
    type=click.Choice(["real", "instant"]),
    default="real",
    show_default=True,
    help="instant: the emulator itself answers, no inference server runs.",
)
@click.option(
    "--metrics-lag-seconds", type=click.FloatRange(0), default=0, help="How long Azure Monitor lags behind requests."
)
@click.option("--quota-cores", type=click.IntRange(0), help="Cores a family of machines that deployments may have.")
@click.option("--job-slots", type=click.IntRange(1), default=2, show_default=True, help="Commands of jobs at once.")
@click.option(
    "--environment-python",
    "environment_pythons",
    metavar="NAME=PYTHON",
    multiple=True,
    help="An interpreter that stands in for an environment or image of this name. May be given several times.",
)
@click.option("--keyless-storage", is_flag=True, help="Blobs are opened with an identity only, not with keys.")
@click.option(
    "--access-log",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="AZUREML_EMULATOR_ACCESS_LOG",
    show_envvar=True,
    help="Gets a JSON line a request, instead of access.log in the state folder; several emulators may share it.",
)
@click.option(
    "--client-seconds",
    type=click.FloatRange(0, min_open=True),
    default=20,
    show_default=True,
    help="Deadline for a client's TLS handshake, and for the head of its request.",
)
@click.option("--control", is_flag=True, help="Offer the control API: reset, recorded requests, faults.")
def start(state_dir: Path | None, as_json: bool, detach: bool, outlive_parent: bool, **settings: Any) -> None:
    """Start an emulator and stay in the foreground until Ctrl-C, SIGTERM or the end of the parent process.

    Without --state-dir nothing is kept, unless --detach is given.
    """
    if settings["access_log"]:
        settings["access_log"] = settings["access_log"].resolve()
    if detach:
        _start_detached(state_dir or default_state_dir(), _as_options(settings), as_json)
        return

    from azureml_emulator import startup
    from azureml_emulator.settings import Settings

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("azure", "httpx", "urllib3", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    def announce(info: EmulatorInfo) -> None:
        click.echo(info.to_json() if as_json else _ready_text(info))
        sys.stdout.flush()

    with throw_away_folder() if not state_dir else contextlib.nullcontext(state_dir.resolve()) as folder:
        settings["environment_pythons"] = dict(_environment_python(given) for given in settings["environment_pythons"])
        startup.run(Settings(state_dir=folder, **settings), announce, outlive_parent=outlive_parent)


@main.command()
@state_dir_option
def stop(state_dir: Path | None) -> None:
    """Stop the emulator of a state folder and wait until it is gone."""
    state_dir = state_dir or default_state_dir()
    info = _running(state_dir)
    try:
        os.kill(info.pid, signal.SIGTERM)
    except ProcessLookupError:
        # Killed a moment ago: what it started is still ending, and holds the lock.
        raise EmulatorError(f"no emulator is running on {state_dir}") from None
    deadline = time.monotonic() + STOP_SECONDS
    while is_locked(state_dir / LOCK_NAME):
        if time.monotonic() > deadline:
            raise EmulatorError(f"the emulator, process {info.pid}, did not stop within {STOP_SECONDS:g} seconds")
        time.sleep(STOP_POLL_SECONDS)


@main.command()
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line instead of text.")
def status(state_dir: Path | None, as_json: bool) -> None:
    """Show whether an emulator is running, where it is and what it holds; the exit code is 1 when it is not."""
    from azureml_emulator.status import read_status

    found = read_status(state_dir or default_state_dir())
    click.echo(json.dumps(found.to_dict()) if as_json else found.to_text())
    sys.exit(0 if found.state == "running" else 1)


@main.command()
@state_dir_option
def env(state_dir: Path | None) -> None:
    """Print the environment for clients, as shell commands: eval "$(azureml-emulator env)"."""
    for name, value in _running(state_dir or default_state_dir()).environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _as_options(settings: Mapping[str, Any]) -> list[str]:
    """Write settings as options of `start`."""
    words = [f"--environment-python={given}" for given in settings["environment_pythons"]]
    for name, value in settings.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [flag] if value else []
        elif isinstance(value, int | float | str | Path):
            words += [flag, str(value)]
    return words


def _environment_python(given: str) -> tuple[str, Path]:
    name, _, python = given.rpartition("=")
    if not name or not os.access(python, os.X_OK):
        raise EmulatorError(f"--environment-python {given}: it must be NAME=PYTHON, and PYTHON a program")
    # Not resolved: a virtual environment is known by the path of its interpreter.
    return name, Path(python).absolute()


def _start_detached(state_dir: Path, options: Sequence[str], as_json: bool) -> None:
    from azureml_emulator.emulator import READY_SECONDS, ready_line, stop_process

    with making(state_dir):
        state_dir.mkdir(parents=True, exist_ok=True)
    refuse_foreign(state_dir)
    if is_locked(state_dir / LOCK_NAME):
        raise EmulatorError(f"another emulator is running on {state_dir}: stop it or name another folder")
    log = state_dir / "emulator.log"
    with making(log):
        output = log.open("wb")
    with output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "azureml_emulator", "start", "--json", "--outlive-parent"),
                *("--state-dir", state_dir),
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    line = ready_line(process, READY_SECONDS)
    if not line:
        stop_process(process)
        # It is the one line of the process itself, which begins as ours is going to.
        raise EmulatorError(log.read_text().strip().removeprefix("Error: ") or "the emulator did not start")
    click.echo(line.rstrip() if as_json else _ready_text(EmulatorInfo.from_json(line)))


def _ready_text(info: EmulatorInfo) -> str:
    return (
        f"Azure ML emulator is ready: resource group {info.resource_group}, workspace {info.workspace}.\n"
        f'In the shell of your client:  eval "$(azureml-emulator env --state-dir {shlex.quote(info.state_dir)})"'
    )


def _running(state_dir: Path) -> EmulatorInfo:
    if state_dir.exists():
        refuse_foreign(state_dir)  # a shell evaluates what stands in it, and its process is ended
    file = state_dir / FILE_NAME
    # The lock, not the file, says that it runs: after kill -9 the file is still there.
    if not is_locked(state_dir / LOCK_NAME) or not file.exists():
        raise EmulatorError(f"no emulator is running on {state_dir}")
    return EmulatorInfo.from_json(file.read_text())
