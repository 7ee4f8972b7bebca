"""Run a step as several processes that train together; start all again if one is lost.

TensorFlow's workers find each other by `TF_CONFIG`. Its servers listen on all network interfaces and run what anybody
sends them, so the workers get a network of their own where they need no other one and the system allows it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kfp_azureml.local.child_group import child_group
from kfp_azureml.local.exit_codes import exit_description
from kfp_azureml.local.private_network import private_network
from kfp_azureml.local.task_command import function_of
from kfp_azureml.runtime.cpus import usable_cores
from kfp_azureml.runtime.errors import CancelledError, PipelineError, WorkerLostError
from kfp_azureml.runtime.step import WORKER
from kfp_azureml.steps.train.cluster import TF_CONFIG, Cluster

TRAIN = "train"
"""Function of the component that can have several workers."""
RESTARTS = 3
"""How often the workers are started again."""
_POLL_SECONDS = 0.1
_LOST = WorkerLostError.exit_code
_INPUT = "--executor_input"
_TRACKING_URI = "MLFLOW_TRACKING_URI"


def check_workers(executors: Mapping[str, Any]) -> None:
    """Check that a pipeline has a step that can have several workers.

    Args:
        executors: The executors of its compiled form.

    Raises:
        PipelineError: If it has none.
    """
    containers = [executor.get("container", {}) for executor in executors.values()]
    commands = [[*container.get("command", []), *container.get("args", [])] for container in containers]
    if TRAIN not in map(function_of, commands):
        raise PipelineError(f"--workers is for the component {TRAIN}, which the pipeline does not have")


def run_workers(count: int, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a step in several workers until all have ended, and print their output.

    Worker 0 is the step: only its results count. The others get another output file, and their number for their events.

    Args:
        count: Number of workers.
        command: The step's command and arguments.
        environment: Environment variables of the step.

    Returns:
        The exit code: of the first worker that failed, else 0.

    Raises:
        OSError: If the command cannot be started.
    """
    restarts = 0
    with _network(command, environment) as joining:
        # A lost worker takes the others with it; any other failure would come again.
        while _is_loss(code := _run_once(count, [*joining, *command], environment)) and restarts < RESTARTS:
            restarts += 1
            print(f"A worker {exit_description(code)}: starting all {count} again, {restarts} of {RESTARTS}")  # noqa: T201
    return code


@contextmanager
def _network(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Yield words before a worker's command that put it into the workers' own network, if possible."""
    values = {**_parameters(command), _TRACKING_URI: environment.get(_TRACKING_URI)}
    remote = [name for name, value in values.items() if "://" in str(value) and not str(value).startswith("file:")]
    with ExitStack() as stack:
        joining = () if remote else stack.enter_context(private_network())
        if not joining:
            reason = f"{remote[0]} is elsewhere" if remote else "this system allows no network of their own"
            print(  # noqa: T201 - kfp puts it into the run's log
                f"WARNING: {reason}: whoever reaches this machine's ports can run programs as you while the workers "
                "train: use a firewall, or a network that you trust"
            )
        yield joining


def _is_loss(code: int) -> bool:
    """Tell whether a process was killed, as a shell or `subprocess` reports it, or has lost another one."""
    return code == _LOST or code < 0 or 128 < code != CancelledError.exit_code


def _run_once(count: int, command: Sequence[str], environment: Mapping[str, str]) -> int:
    with ExitStack() as stack:
        scratch = stack.enter_context(TemporaryDirectory(prefix="kfp-azureml-workers-"))
        addresses = stack.enter_context(reserved_ports(count))
        processes = []
        for rank in range(count):
            variables = {
                # The cores are shared: more threads would wait for each other.
                "TF_NUM_INTRAOP_THREADS": str(max(1, usable_cores() // count)),
                **environment,
                TF_CONFIG: Cluster(addresses, rank).tf_config(),
                "TF_GRPC_REUSE_PORT": "1",
            }
            own = command
            if rank:
                variables[WORKER] = str(rank)
                own = _with_output_file(command, Path(scratch, f"executor_output_{rank}.json"))
            processes.append(stack.enter_context(_worker(rank, own, variables)))
        while True:
            codes = [process.poll() for process in processes]
            failed = [code for code in codes if code]
            if failed:
                # The cause, if several have ended: not that the others were lost.
                return min(failed, key=lambda code: code == _LOST)
            if all(code == 0 for code in codes):
                return 0
            time.sleep(_POLL_SECONDS)


@contextmanager
def reserved_ports(count: int) -> Iterator[tuple[str, ...]]:
    """Yield addresses on the loopback interface that no other program gets meanwhile."""
    with ExitStack() as stack:
        ports = []
        for _ in range(count):
            holder = stack.enter_context(socket.socket())
            # TensorFlow's server binds it too. A socket that does not listen gets no connections.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind(("127.0.0.1", 0))
            ports.append(holder.getsockname()[1])
        yield tuple(f"127.0.0.1:{port}" for port in ports)


@contextmanager
def _worker(rank: int, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker and print its output; it and its children are gone when the block ends."""
    from_worker, to_reader = os.pipe()
    reader = threading.Thread(target=_print_lines, args=(rank, from_worker))
    reader.start()
    try:
        with (
            os.fdopen(to_reader, "wb") as output,
            child_group(command, environment, stdout=output, stderr=subprocess.STDOUT) as process,
        ):
            output.close()  # so that the reader ends with the worker
            yield process
    finally:
        reader.join()


def _print_lines(rank: int, descriptor: int) -> None:
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            print(f"[worker {rank}] {line}", end="", flush=True)  # noqa: T201 - kfp puts it into the run's log


def _parameters(command: Sequence[str]) -> Mapping[str, Any]:
    words = list(command)
    if _INPUT not in words:
        return {}
    given: dict[str, Any] = json.loads(words[words.index(_INPUT) + 1])
    values: dict[str, Any] = given["inputs"].get("parameterValues", {})
    return values


def _with_output_file(command: Sequence[str], path: Path) -> list[str]:
    """Return a command of kfp's executor that writes its results to another file."""
    words = list(command)
    if _INPUT in words:
        place = words.index(_INPUT) + 1
        given: dict[str, Any] = json.loads(words[place])
        given["outputs"]["outputFile"] = os.fspath(path)
        words[place] = json.dumps(given)
    return words
