"""Submitting a pipeline to Kubeflow: compiled and checked here, run and followed there."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kfp_azureml.compiling.absent_values import check_absent_values
from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.documents import read_compiled, write_compiled
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.parameters import check_complete, declared_parameters, parse_values
from kfp_azureml.compiling.sources import find_pipeline
from kfp_azureml.kubeflow.connection import PAGES_VARIABLE, Connection, api_address, connect, page_of_run
from kfp_azureml.kubeflow.failure_reason import why_it_failed
from kfp_azureml.kubeflow.failures import api_errors
from kfp_azureml.kubeflow.following import Follower
from kfp_azureml.kubeflow.task_rows import WELL
from kfp_azureml.runtime import terminal
from kfp_azureml.runtime.errors import CancelledError, KfpAzuremlError, KubeflowError, PipelineError, RunCancelledError

if TYPE_CHECKING:
    from kfp import Client

EXPERIMENT = "pipeline_samples"
TIMEOUT_SECONDS = 86400.0
_CONFLICT = 409
_MAY_BE_THERE = "look before you try again: the run may be there"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Submission:
    """What a user asks of `kfp-azureml submit`.

    Attributes:
        pipeline: A pipeline's name or file.
        options: What to compile it with, where it is a source.
        params: Pipeline parameters by name, as typed.
        experiment: The experiment, made if it does not exist.
        run_name: The run's name; empty: the pipeline's and the time.
        service_account: The Kubernetes service account of the steps; empty: Kubeflow's own.
        cache: Whether steps may take their results from earlier runs, where the pipeline lets them.
        wait: Whether to follow the run to its end.
        timeout: How many seconds to follow it.
        terminate_on_cancel: Whether whoever stops this command ends the run too, without being asked.
    """

    pipeline: str
    options: PipelineOptions = field(default_factory=PipelineOptions)
    params: Mapping[str, str] = field(default_factory=dict)
    experiment: str = EXPERIMENT
    run_name: str = ""
    service_account: str = ""
    cache: bool = True
    wait: bool = True
    timeout: float = TIMEOUT_SECONDS
    terminate_on_cancel: bool = False


def submit(wanted: Submission, connection: Connection, say: Callable[[str], None] = terminal.say) -> None:
    """Run a pipeline on Kubeflow. Nothing is sent before pipeline and parameters are known to be right.

    Args:
        wanted: What to run.
        connection: Where.
        say: Prints a line.

    Raises:
        PipelineError: If the pipeline or a parameter is wrong, or with the step's own error if the run failed.
        RunCancelledError: If somebody ended the run.
        KubeflowError: If the server cannot be reached, or refuses.
        CancelledError: If the user stopped this command.
    """
    source = find_pipeline(wanted.pipeline)
    run_id = ""
    try:
        with _compiled(source, wanted.options, cache=wanted.cache) as package:
            declared = declared_parameters(package)
            arguments = parse_values(wanted.params, declared)
            check_complete(arguments, declared)
            check_absent_values(read_compiled(package), arguments)
            steps = step_names(package)
            client = connect(connection)
            run_id = _create_run(client, wanted, connection, package, arguments)
        started = time.monotonic()
        page = page_of_run(connection, run_id) or f"{PAGES_VARIABLE}, the address of Kubeflow's pages, gives a link"
        say(f"Run {run_id} in experiment {wanted.experiment}: {page}")
        if not wanted.wait:
            return
        ended = Follower(client, api_address(client), run_id, steps, say).follow(wanted.timeout)
    except CancelledError as cancelled:
        if not run_id:
            raise
        done = _leave_or_terminate(client, run_id, wanted, cancelled)
        raise CancelledError(f"{cancelled}; {done}: {_where(connection, run_id)}") from None
    except KfpAzuremlError as error:
        if not run_id:
            raise
        raise type(error)(f"{error}: {_where(connection, run_id)}") from error
    seconds = f"{time.monotonic() - started:.0f} s"
    if ended.state in WELL:
        say(f"Succeeded in {seconds}")
        return
    say(f"{'Cancelled' if ended.cancelled else 'Failed'} after {seconds}: {_where(connection, run_id)}")
    if ended.cancelled:
        raise RunCancelledError(f"run {run_id} was cancelled on Kubeflow")
    namespace = connection.namespace or client.get_user_namespace()
    raise PipelineError(
        why_it_failed(client, run_id, ended.run, steps, namespace) or f"run {run_id} failed on Kubeflow"
    )


def step_names(package: Path) -> dict[str, str]:
    """Return what to call a compiled pipeline's steps, by each of the names that Kubeflow may list them under."""
    pipeline = read_compiled(package).pipeline
    components = pipeline.get("components", {})
    names: dict[str, str] = {}
    for group in (pipeline["root"], *components.values()):
        for name, task in group.get("dag", {}).get("tasks", {}).items():
            if "executorLabel" in components.get(task["componentRef"]["name"], {}):
                step = name.replace("-", "_")
                names |= {name: step, task.get("taskInfo", {}).get("name", name): step}
    return names


@contextmanager
def _compiled(source: Path, options: PipelineOptions, *, cache: bool) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kfp-azureml-") as folder:
        package = Path(folder) / f"{source.stem}.yaml"
        compile_pipeline(source, package, options)
        if not cache:
            _take_nothing_from_the_cache(package)
        yield package


def _take_nothing_from_the_cache(package: Path) -> None:
    """Change a package so that its steps take nothing from earlier runs.

    kfp's own `enable_caching=False` leaves out all steps inside an exit handler or a condition.
    """
    compiled = read_compiled(package)
    for group in (compiled.pipeline["root"], *compiled.pipeline.get("components", {}).values()):
        for task in group.get("dag", {}).get("tasks", {}).values():
            task["cachingOptions"] = {}
    write_compiled(compiled, package)


def _create_run(
    client: Client, wanted: Submission, connection: Connection, package: Path, arguments: Mapping[str, Any]
) -> str:
    from urllib3.exceptions import ProtocolError, ReadTimeoutError

    host = api_address(client)
    experiment_id = _experiment(client, wanted.experiment, connection.namespace, host)
    try:
        with api_errors("creating the run", host), redirect_stdout(StringIO()):
            run = client.run_pipeline(
                experiment_id=experiment_id,
                job_name=wanted.run_name or f"{package.stem} {time.strftime('%Y-%m-%d %H-%M-%S')}",
                pipeline_package_path=str(package),
                params=dict(arguments),
                service_account=wanted.service_account or None,
            )
    except KubeflowError as error:
        if isinstance(error.__cause__, (ProtocolError, ReadTimeoutError)):
            raise KubeflowError(f"{error}; {_MAY_BE_THERE}") from error
        raise
    except CancelledError as cancelled:
        raise CancelledError(f"{cancelled} while creating the run; {_MAY_BE_THERE}") from None
    return str(run.run_id)


def _experiment(client: Client, name: str, namespace: str, host: str) -> str:
    from kfp_server_api import ApiException

    with api_errors(f"experiment {name}", host), redirect_stdout(StringIO()):
        try:
            experiment = client.create_experiment(name, namespace=namespace or None)
        except ApiException as error:
            if error.status != _CONFLICT:
                raise
            # Somebody made it since we looked.
            experiment = client.create_experiment(name, namespace=namespace or None)
    return str(experiment.experiment_id)


def _where(connection: Connection, run_id: str) -> str:
    return page_of_run(connection, run_id) or f"run {run_id}"


def _leave_or_terminate(client: Client, run_id: str, wanted: Submission, cancelled: CancelledError) -> str:
    """Do with the run what the user wants done, and say what that was."""
    if not wanted.terminate_on_cancel and not (cancelled.at_the_keyboard and _wants_to_terminate()):
        return (
            "the run goes on; to end it choose Terminate on its page, "
            f"or POST to {api_address(client)}/apis/v2beta1/runs/{run_id}:terminate"
        )
    try:
        with api_errors("terminating the run", api_address(client)):
            client.terminate_run(run_id)
    except KubeflowError as error:
        return f"the run goes on ({error})"
    return "the run is being terminated"


def _wants_to_terminate() -> bool:
    """Ask, where there is somebody to ask; Ctrl-C, or a terminal that goes away, is a no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    previous = {number: signal.signal(number, signal.default_int_handler) for number in _SIGNALS}
    try:
        return click.confirm("\nTerminate the run on Kubeflow too?", default=False, err=True)
    except (click.Abort, KeyboardInterrupt):
        return False
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
