"""`kfp-azureml submit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kfp_azureml.compiling.flags import check_compiled, compile_flags, options_from
from kfp_azureml.compiling.param_option import param_option
from kfp_azureml.compiling.submission import EXPERIMENT
from kfp_azureml.kubeflow.submit_run import TIMEOUT_SECONDS

_FILE = click.Path(path_type=Path)


@click.command("submit")
@click.argument("pipeline", default="image_classification")
@param_option
@click.option("--experiment", default=EXPERIMENT, show_default=True, help="Made if it does not exist.")
@click.option("--run-name", default="", help="[default: the pipeline's name and the time]")
@click.option("--service-account", default="", metavar="NAME", help="Whom the steps run as. [default: Kubeflow's own]")
@click.option("--namespace", metavar="NAME", help="Your profile's, on a Kubeflow with several users.")
@click.option("--host", metavar="URL", help="[default: $KF_PIPELINES_ENDPOINT, else this pod's cluster or kubeconfig]")
@click.option("--token-file", type=_FILE, metavar="FILE", help="A bearer token. [default: $KF_PIPELINES_TOKEN]")
@click.option(
    "--cookie-file", type=_FILE, metavar="FILE", help="A session's NAME=VALUE. [default: $KF_PIPELINES_COOKIE]"
)
@click.option("--ca-cert", type=_FILE, metavar="FILE", help="Certificates of the server's own authority.")
@click.option(
    "--cache/--no-cache", default=True, help="Take earlier results where the pipeline allows. [default: cache]"
)
@click.option("--wait/--no-wait", default=True, help="Follow the run to its end. [default: wait]")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=TIMEOUT_SECONDS,
    show_default=True,
    help="Seconds to follow the run.",
)
@click.option("--terminate-on-cancel", is_flag=True, help="Ctrl-C ends the run too, without a question.")
@compile_flags(step_timeout="--step-timeout")
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
    """Run PIPELINE on Kubeflow and follow it to its end.

    PIPELINE is a name (image_classification), a .py file, compiled first with the options of `kfp-azureml compile`,
    or a compiled .yaml file, whose images can be chosen still. In a pod the token that Kubernetes mounts for Kubeflow
    is used by itself. Where a browser opens Kubeflow at another address than --host, $KF_PIPELINES_UI_ENDPOINT makes
    the link.
    """
    from kfp_azureml.kubeflow.connection import choose_connection
    from kfp_azureml.kubeflow.submit_run import KubeflowSubmission, submit

    check_compiled(pipeline, flags)
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
