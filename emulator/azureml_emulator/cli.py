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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from azureml_emulator.errors import EmulatorError, report_os_errors
from azureml_emulator.info import CLIENT_VARIABLES, FILE_NAME, LOCK_NAME, EmulatorInfo
from azureml_emulator.machine.folder_permissions import refuse_writable_by_others
from azureml_emulator.machine.locks import is_locked
from azureml_emulator.machine.temporary_state import temporary_state_folder

KEPT_STATE = "~/.local/state/azureml-emulator"
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
    """Return the default state folder of a detached emulator."""
    shared = os.environ.get("XDG_STATE_HOME")
    return (Path(shared) if shared else Path.home() / ".local" / "state") / "azureml-emulator"


def _state_dir_option(default: str) -> Callable[[Any], Any]:
    kind = click.Path(file_okay=False, path_type=Path)
    return click.option("--state-dir", type=kind, help="State folder.", show_default=default)


kept_state_option = _state_dir_option(KEPT_STATE)


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run an Azure Machine Learning emulator for unmodified clients."""
    # Files hold keys, secrets and data: only their owner can read them. Child processes inherit the mask.
    os.umask(0o077)


@main.command()
@_state_dir_option(f"temporary; {KEPT_STATE} with --detach")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line instead of text when ready.")
@click.option("--detach", is_flag=True, help="Run in the background; return when ready.")
@click.option("--outlive-parent", is_flag=True, help="Keep running when the parent process exits.")
@click.option(
    "--token-seconds",
    type=click.IntRange(1),
    default=3600,
    show_default=True,
    help="Lifetime of access tokens in seconds.",
)
@click.option(
    "--retry-after",
    type=click.IntRange(1),
    help="Seconds between polls of an operation (Retry-After); none by default, as on the service.",
)
@click.option(
    "--endpoint-seconds",
    type=click.FloatRange(0),
    default=0,
    show_default=True,
    help="Duration of endpoint operations in seconds.",
)
@click.option(
    "--settle-seconds",
    type=click.FloatRange(0),
    default=0,
    show_default=True,
    help="Seconds after an operation in which changes are refused.",
)
@click.option(
    "--scoring",
    type=click.Choice(["real", "instant"]),
    default="real",
    show_default=True,
    help="real: run inference servers; instant: the emulator answers itself.",
)
@click.option(
    "--metrics-lag-seconds",
    type=click.FloatRange(0),
    default=0,
    show_default=True,
    help="Delay of Azure Monitor metrics in seconds.",
)
@click.option(
    "--quota-cores", type=click.IntRange(0), help="Core quota per VM family for deployments; unlimited by default."
)
@click.option(
    "--job-slots",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Maximum number of concurrent job commands.",
)
@click.option(
    "--environment-python",
    "environment_pythons",
    metavar="NAME=PYTHON",
    multiple=True,
    help="Interpreter that replaces NAME: an environment, an image, or the Python of conda files, as python3.8;"
    " repeatable.",
)
@click.option(
    "--spark-python",
    metavar="PYTHON",
    envvar="AZUREML_EMULATOR_SPARK_PYTHON",
    show_envvar=True,
    help="Interpreter with PySpark that runs Databricks tasks; the emulator's own by default.",
)
@click.option(
    "--local-data",
    metavar="ADDRESS=PATH",
    multiple=True,
    help="Local file or folder that replaces the job input at a web ADDRESS; repeatable.",
)
@click.option(
    "--web-input-gib",
    type=click.FloatRange(0, min_open=True),
    default=4,
    show_default=True,
    help="Limit in GiB of what a job can download as inputs at web addresses.",
)
@click.option("--keyless-storage", is_flag=True, help="Refuse storage account keys; clients need an identity.")
@click.option(
    "--access-log",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="AZUREML_EMULATOR_ACCESS_LOG",
    show_envvar=True,
    help="Access log, one JSON line per request; default access.log in the state folder. Emulators can share it.",
)
@click.option(
    "--client-seconds",
    type=click.FloatRange(0, min_open=True),
    default=20,
    show_default=True,
    help="Deadline in seconds for a TLS handshake and for request headers.",
)
@click.option("--control", is_flag=True, help="Enable the control API: reset, recorded requests, injected faults.")
def start(state_dir: Path | None, as_json: bool, detach: bool, outlive_parent: bool, **settings: Any) -> None:
    """Run an emulator until Ctrl-C, SIGTERM or the parent's exit.

    State is temporary unless --state-dir or --detach is given.
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

    with temporary_state_folder() if not state_dir else contextlib.nullcontext(state_dir.resolve()) as folder:
        settings["environment_pythons"] = dict(_environment_python(given) for given in settings["environment_pythons"])
        settings["spark_python"] = _spark_python(settings["spark_python"])
        settings["local_data"] = dict(_local_data(given) for given in settings["local_data"])
        startup.run(Settings(state_dir=folder, **settings), announce, outlive_parent=outlive_parent)


@main.command()
@kept_state_option
def stop(state_dir: Path | None) -> None:
    """Stop the emulator of a state folder and wait until it has ended."""
    state_dir = state_dir or default_state_dir()
    info = _running(state_dir)
    try:
        os.kill(info.pid, signal.SIGTERM)
    except ProcessLookupError:
        # Just killed: its child processes are still ending and hold the lock.
        raise EmulatorError(f"no emulator is running on {state_dir}") from None
    deadline = time.monotonic() + STOP_SECONDS
    while is_locked(state_dir / LOCK_NAME):
        if time.monotonic() > deadline:
            raise EmulatorError(f"the emulator (process {info.pid}) did not stop within {STOP_SECONDS:g} s")
        time.sleep(STOP_POLL_SECONDS)


@main.command()
@kept_state_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line instead of text.")
def status(state_dir: Path | None, as_json: bool) -> None:
    """Show an emulator's state; the exit code is 1 unless it is running."""
    from azureml_emulator.status import read_status

    found = read_status(state_dir or default_state_dir())
    click.echo(json.dumps(found.to_dict()) if as_json else found.to_text())
    sys.exit(0 if found.state == "running" else 1)


@main.command()
@kept_state_option
@click.option("--unset", is_flag=True, help="Print the commands that remove these variables; no emulator is needed.")
def env(state_dir: Path | None, unset: bool) -> None:
    """Print the client environment as shell commands.

    Use: eval "$(azureml-emulator env)", and to leave the emulator: eval "$(azureml-emulator env --unset)"
    """
    if unset:
        click.echo(f"unset {' '.join(CLIENT_VARIABLES)}")
        return
    for name, value in _running(state_dir or default_state_dir()).environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _as_options(settings: Mapping[str, Any]) -> list[str]:
    """Write settings as options of `start`."""
    words = [f"--environment-python={given}" for given in settings["environment_pythons"]]
    words += [f"--local-data={given}" for given in settings["local_data"]]
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
        raise EmulatorError(f"--environment-python {given}: must be NAME=PYTHON, where PYTHON is an executable")
    # Not resolved: a virtual environment is found by its interpreter's path.
    return name, Path(python).absolute()


def _spark_python(given: str | None) -> Path | None:
    if not given:
        return None
    if not os.access(given, os.X_OK):
        raise EmulatorError(f"--spark-python {given}: must be an executable")
    # Not resolved: a virtual environment is found by its interpreter's path.
    return Path(given).absolute()


def _local_data(given: str) -> tuple[str, Path]:
    address, _, path = given.rpartition("=")
    if not address.startswith(("http://", "https://")) or not Path(path).exists():
        raise EmulatorError(f"--local-data {given}: must be ADDRESS=PATH, an http(s) address and what is there locally")
    return address.rstrip("/"), Path(path).absolute()


def _start_detached(state_dir: Path, options: Sequence[str], as_json: bool) -> None:
    from azureml_emulator.emulator import READY_SECONDS, ready_line, stop_process

    with report_os_errors(state_dir):
        state_dir.mkdir(parents=True, exist_ok=True)
    refuse_writable_by_others(state_dir)
    if is_locked(state_dir / LOCK_NAME):
        raise EmulatorError(f"another emulator is running on {state_dir}: stop it or choose another --state-dir")
    log = state_dir / "emulator.log"
    with report_os_errors(log):
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
        # The child's one-line error already has click's prefix.
        raise EmulatorError(log.read_text().strip().removeprefix("Error: ") or "the emulator did not start")
    click.echo(line.rstrip() if as_json else _ready_text(EmulatorInfo.from_json(line)))


def _ready_text(info: EmulatorInfo) -> str:
    return (
        f"Azure ML emulator is ready: resource group {info.resource_group}, workspace {info.workspace}.\n"
        f'In the shell of your client:  eval "$(azureml-emulator env --state-dir {shlex.quote(info.state_dir)})"'
    )


def _running(state_dir: Path) -> EmulatorInfo:
    if state_dir.exists():
        refuse_writable_by_others(state_dir)  # a shell evaluates what stands in it, and its process is ended
    file = state_dir / FILE_NAME
    # Check the lock, not the file: after kill -9 the file still exists.
    if not is_locked(state_dir / LOCK_NAME) or not file.exists():
        raise EmulatorError(f"no emulator is running on {state_dir}")
    return EmulatorInfo.from_json(file.read_text())
