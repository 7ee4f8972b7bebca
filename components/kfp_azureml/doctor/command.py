"""`kfp-azureml doctor`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kfp_azureml.azureml.workspace_name import WorkspaceName

_FILE = click.Path(path_type=Path)


@click.command("doctor")
@click.option("--azure", is_flag=True, help="Check Azure: credentials, workspace, permissions, quota, storage, hosts.")
@click.option("--kubeflow", is_flag=True, help="Check the cluster, Kubeflow, and the secret azcreds.")
@click.option("--local", is_flag=True, help="Check this machine, for local runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: name, state, message and mend of each check.")
@click.option("-g", "--resource-group", default="", metavar="NAME", help="Resource group.  [default: config.json]")
@click.option("-w", "--workspace", default="", metavar="NAME", help="Workspace.  [default: config.json]")
@click.option(
    "--subscription-id",
    default="",
    metavar="ID",
    help="Subscription of the workspace.  [default: $AZ_SUBSCRIPTION_ID, else config.json]",
)
@click.option("--model-name", default="", metavar="NAME", help="Model of the run.  [default: not checked]")
@click.option(
    "--endpoint-name", default="", metavar="NAME", help="Endpoint of the run.  [default: derived from the model]"
)
@click.option(
    "--instance-type", default="", metavar="SIZE", help="VM size of the endpoint.  [default: Standard_DS3_v2]"
)
@click.option(
    "--instance-count",
    type=click.IntRange(0),
    default=0,
    metavar="COUNT",
    help="Instances of the endpoint.  [default: that of the live deployment, or 1]",
)
@click.option("--compute", default="", metavar="NAME", help="Kubernetes compute of the endpoint.  [default: managed]")
@click.option("--strategy", default="", metavar="NAME", help="Rollout strategy of the run.  [default: not checked]")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig.  [default: the current context]")
@click.option(
    "--namespace", metavar="NAME", help="Namespace of the runs.  [default: that of the context, else kubeflow]"
)
@click.option(
    "--service-account", default="", metavar="NAME", help="Service account of the runs.  [default: pipeline-runner]"
)
@click.option("--pipeline", type=_FILE, metavar="FILE", help="Compiled pipeline, whose images are checked.")
@click.option(
    "--host", metavar="URL", help="Kubeflow API URL.  [default: $KF_PIPELINES_ENDPOINT, else the kubeconfig's]"
)
@click.option("--token-file", type=_FILE, metavar="FILE", help="File with a bearer token for Kubeflow.")
@click.option("--cookie-file", type=_FILE, metavar="FILE", help="File with a session cookie for Kubeflow, NAME=VALUE.")
@click.option("--ca-cert", type=_FILE, metavar="FILE", help="CA certificates of Kubeflow's server, as PEM.")
@click.option(
    "--runs", type=_FILE, default=Path("runs"), show_default=True, metavar="DIR", help="Parent folder of local runs."
)
def doctor_command(
    azure: bool,
    kubeflow: bool,
    local: bool,
    as_json: bool,
    resource_group: str,
    workspace: str,
    subscription_id: str,
    model_name: str,
    endpoint_name: str,
    instance_type: str,
    instance_count: int,
    compute: str,
    strategy: str,
    context: str | None,
    namespace: str | None,
    service_account: str,
    pipeline: Path | None,
    host: str | None,
    token_file: Path | None,
    cookie_file: Path | None,
    ca_cert: Path | None,
    runs: Path,
) -> None:
    """Check what runs need, and print the command that mends each fault.

    Without --azure, --kubeflow or --local it checks this machine, and Azure and Kubeflow if they are configured or one
    of their options is given. It changes nothing but a small blob in the workspace's storage, and takes about a minute
    at most. The exit code is 1 if a check failed; warnings and skipped checks do not count.
    """
    from kfp_azureml.azureml.checks.run_settings import RunSettings
    from kfp_azureml.doctor.kubeflow.wanted import KubeflowSettings
    from kfp_azureml.doctor.report import is_healthy, print_json, print_results
    from kfp_azureml.doctor.selection import Areas, select_checks
    from kfp_azureml.runtime.checks import run_checks
    from kfp_azureml.runtime.step import configure_logging

    configure_logging()
    # Checks run in threads; one of Kubeflow's redirects sys.stdout for a while.
    out = sys.stdout
    run = RunSettings(
        WorkspaceName(resource_group, workspace, subscription_id),
        model_name,
        endpoint_name,
        instance_type,
        instance_count,
        compute,
        strategy,
        everything=True,
    )
    settings = KubeflowSettings(
        host or "", token_file, cookie_file, ca_cert, context, namespace, service_account, pipeline
    )
    results = run_checks(select_checks(Areas(azure, kubeflow, local), run, settings, runs))
    done = print_json(results, out) if as_json else print_results(results, out)
    if not is_healthy(done):
        sys.exit(1)
