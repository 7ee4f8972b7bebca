"""KFP component aml_reconcile."""

from kfp import dsl
from kfp.dsl import Markdown, Output

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Clean Up Unfinished Rollouts"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def aml_reconcile(
    summary: Output[Markdown],
    run_id: str,
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
    timeout_seconds: int = 1800,
    train_jobs: bool = False,
) -> None:
    """Clean up the rollouts that a run left unfinished: roll back traffic and delete what they created.

    Meant as the exit task of a pipeline, which runs however the pipeline ends.

    Args:
        summary: What was cleaned up.
        run_id: Pipeline run; pass dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        resource_group: Resource group of the workspace; empty reads the workspace's config.json.
        workspace: Name of the workspace; empty reads the workspace's config.json.
        subscription_id: Subscription of the workspace; empty takes it from the azcreds secret or config.json.
        timeout_seconds: Timeout for all Azure operations, in seconds.
        train_jobs: First delete the TrainJobs on Kubernetes that the run left, as train_distributed creates them.
    """
    from pathlib import Path

    from kfp_azureml.azureml.markdown import code
    from kfp_azureml.azureml.workspace_name import WorkspaceName
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.aml_reconcile import reconcile

    with run_step(reconcile.NAME):
        name = WorkspaceName(resource_group, workspace, subscription_id)
        with reconcile.train_jobs_deleted(run_id if train_jobs else "") as deleted:
            done = reconcile.reconcile(workspace=name, run_id=run_id, timeout_seconds=timeout_seconds)
        lines = [f"- {code(line)}" for line in (*deleted, *done)] or ["No unfinished rollouts."]
        Path(summary.path).write_text("\n".join(lines) + "\n")
