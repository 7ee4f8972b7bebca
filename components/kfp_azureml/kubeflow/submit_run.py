"""Submit a pipeline to Kubeflow: compile and validate it, create a run, and follow it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kfp_azureml.compiling.documents import read_compiled, write_compiled
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.submission import EXPERIMENT, compiled_pipeline, pipeline_arguments
from kfp_azureml.kubeflow.api_error_messages import api_errors
from kfp_azureml.kubeflow.connection import PAGES_VARIABLE, Connection, api_address, connect, page_of_run
from kfp_azureml.kubeflow.run_failure import failure_reason
from kfp_azureml.kubeflow.run_follower import RunFollower
from kfp_azureml.kubeflow.task_details import SUCCESSFUL
from kfp_azureml.runtime import terminal
from kfp_azureml.runtime.errors import CancelledError, KfpAzuremlError, KubeflowError, PipelineError, RunCancelledError

if TYPE_CHECKING:
    from kfp import Client

TIMEOUT_SECONDS = 86400.0
_CONFLICT = 409
_MAY_BE_THERE = "the run may have been created: check the UI before you retry"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class KubeflowSubmission:
    """A pipeline to run on Kubeflow, and how.

    Attributes:
        pipeline: A pipeline's name or file.
        options: Compile options.
        params: Pipeline parameters by name, as typed.
        experiment: The experiment, created if it does not exist.
        run_name: The run's name; empty selects the pipeline's name and the time.
        service_account: Service account of the steps; empty selects that of Kubeflow.
        cache: Whether steps may reuse cached results, if the pipeline allows it.
        wait: Whether to follow the run until it ends.
        timeout: Maximum time to follow it, in seconds.
        terminate_on_cancel: Whether to terminate the run, without a prompt, when this process is cancelled.
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


def submit(wanted: KubeflowSubmission, connection: Connection, say: Callable[[str], None] = terminal.say) -> None:
    """Run a pipeline on Kubeflow, after its parameters have been validated.

    Args:
        wanted: The pipeline and its settings.
        connection: The connection to Kubeflow.
        say: Prints a line.

    Raises:
        PipelineError: If the pipeline or a parameter is invalid, or, with the step's own error, if the run failed.
        RunCancelledError: If another client terminated the run.
        KubeflowError: If the server cannot be reached or rejects a request.
        CancelledError: If the user stopped this command.
    """
    run_id = ""
    try:
        with compiled_pipeline(wanted.pipeline, wanted.options) as package:
            if not wanted.cache:
                _disable_caching(package)
            arguments = pipeline_arguments(package, wanted.params)
            steps = step_names(package)
            client = connect(connection)
            run_id = _create_run(client, wanted, connection, package, arguments)
        started = time.monotonic()
        page = page_of_run(connection, run_id) or f"set {PAGES_VARIABLE} to the UI's URL for a link"
        say(f"Run {run_id} in experiment {wanted.experiment}: {page}")
        if not wanted.wait:
            return
        ended = RunFollower(client, api_address(client), run_id, steps, say).follow(wanted.timeout)
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
    if ended.state in SUCCESSFUL:
        say(f"Succeeded in {seconds}")
        return
    say(f"{'Cancelled' if ended.cancelled else 'Failed'} after {seconds}: {_where(connection, run_id)}")
    if ended.cancelled:
        raise RunCancelledError(f"run {run_id} was cancelled on Kubeflow")
    namespace = connection.namespace or client.get_user_namespace()
    raise PipelineError(
        failure_reason(client, run_id, ended.run, steps, namespace) or f"run {run_id} failed on Kubeflow"
    )


def step_names(package: Path) -> dict[str, str]:
    """Return the names of a compiled pipeline's steps by each name that Kubeflow may give their tasks."""
    pipeline = read_compiled(package).pipeline
    components = pipeline.get("components", {})
    names: dict[str, str] = {}
    for group in (pipeline["root"], *components.values()):
        for name, task in group.get("dag", {}).get("tasks", {}).items():
            if "executorLabel" in components.get(task["componentRef"]["name"], {}):
                step = name.replace("-", "_")
                names |= {name: step, task.get("taskInfo", {}).get("name", name): step}
    return names


def _disable_caching(package: Path) -> None:
    """Disable caching for all steps of a compiled pipeline.

    kfp's own `enable_caching=False` skips the steps inside an exit handler or a condition.
    """
    compiled = read_compiled(package)
    for group in (compiled.pipeline["root"], *compiled.pipeline.get("components", {}).values()):
        for task in group.get("dag", {}).get("tasks", {}).values():
            task["cachingOptions"] = {}
    write_compiled(compiled, package)


def _create_run(
    client: Client, wanted: KubeflowSubmission, connection: Connection, package: Path, arguments: Mapping[str, Any]
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
            # Another client created it in the meantime.
            experiment = client.create_experiment(name, namespace=namespace or None)
    return str(experiment.experiment_id)


def _where(connection: Connection, run_id: str) -> str:
    return page_of_run(connection, run_id) or f"run {run_id}"


def _leave_or_terminate(client: Client, run_id: str, wanted: KubeflowSubmission, cancelled: CancelledError) -> str:
    """Terminate the run if the user wants that; return what happens to it."""
    if not wanted.terminate_on_cancel and not (cancelled.interactive and _wants_to_terminate()):
        return (
            "the run continues; to end it choose Terminate on its page, "
            f"or POST to {api_address(client)}/apis/v2beta1/runs/{run_id}:terminate"
        )
    try:
        with api_errors("terminating the run", api_address(client)):
            client.terminate_run(run_id)
    except KubeflowError as error:
        return f"the run continues ({error})"
    return "the run is being terminated"


def _wants_to_terminate() -> bool:
    """Prompt on a terminal; Ctrl-C and a closed terminal mean no."""
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
