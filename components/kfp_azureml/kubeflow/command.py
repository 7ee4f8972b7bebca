"""`kfp-azureml submit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kfp_azureml.compiling.flags import compile_flags, options_from
from kfp_azureml.compiling.param_option import param_option
from kfp_azureml.compiling.submission import EXPERIMENT
from kfp_azureml.kubeflow.submit_run import TIMEOUT_SECONDS

_FILE = click.Path(path_type=Path)


@click.command("submit")
@click.argument("pipeline", default="image_classification")
@param_option
@click.option("--experiment", default=EXPERIMENT, show_default=True, help="Experiment; created if it does not exist.")
@click.option("--run-name", default="", metavar="NAME", help="Run name.  [default: pipeline name and time]")
@click.option(
    "--service-account", default="", metavar="NAME", help="Service account of the steps.  [default: that of Kubeflow]"
)
@click.option("--namespace", metavar="NAME", help="Profile namespace, for Kubeflow in multi-user mode.")
@click.option(
    "--host",
    metavar="URL",
    help="Kubeflow API URL.  [default: $KF_PIPELINES_ENDPOINT, else the pod's cluster or the kubeconfig's]",
)
@click.option(
    "--token-file", type=_FILE, metavar="FILE", help="File with a bearer token.  [default: $KF_PIPELINES_TOKEN]"
)
@click.option(
    "--cookie-file",
    type=_FILE,
    metavar="FILE",
    help="File with a session cookie, NAME=VALUE.  [default: $KF_PIPELINES_COOKIE]",
)
@click.option("--ca-cert", type=_FILE, metavar="FILE", help="CA certificates of the server, as PEM.")
@click.option(
    "--cache/--no-cache", default=True, help="Reuse cached results where the pipeline allows it.  [default: cache]"
)
@click.option("--wait/--no-wait", default=True, help="Follow the run until it ends.  [default: wait]")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=TIMEOUT_SECONDS,
    show_default=True,
    help="Timeout for following the run, in seconds; the run continues.",
)
@click.option("--terminate-on-cancel", is_flag=True, help="Terminate the run on Ctrl-C, without a prompt.")
@compile_flags()
def submit_command(
    pipeline: str,
    params: dict[str, str],
    experiment: str,
    run_name: str,
    service_account: str,
    namespace: str | None,
    host: str | None,
    token_file: Path | None,
    cookie_file: Path | None,
    ca_cert: Path | None,
    cache: bool,
    wait: bool,
    timeout: float,
    terminate_on_cancel: bool,
    **flags: Any,
) -> None:
    """Run PIPELINE on Kubeflow and follow the run until it ends.

    PIPELINE is the name of a shipped pipeline (image_classification), a .py file to compile, or a compiled .yaml file,
    to which only the image options apply. In a pod the default credential is the mounted service account token. Set
    $KF_PIPELINES_UI_ENDPOINT if the UI has another URL than --host.
    """
    from kfp_azureml.kubeflow.connection import choose_connection
    from kfp_azureml.kubeflow.submit_run import KubeflowSubmission, submit

    connection = choose_connection(host, namespace, token_file, cookie_file, ca_cert)
    wanted = KubeflowSubmission(
        pipeline=pipeline,
        options=options_from(flags),
        params=params,
        experiment=experiment,
        run_name=run_name,
        service_account=service_account,
        cache=cache,
        wait=wait,
        timeout=timeout,
        terminate_on_cancel=terminate_on_cancel,
    )
    submit(wanted, connection)
