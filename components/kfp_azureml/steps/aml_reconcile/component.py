"""The Kubeflow face of aml_reconcile."""

from kfp import dsl
from kfp.dsl import Markdown, Output

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Undo What Is Unfinished in Azure ML"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def aml_reconcile(
    summary: Output[Markdown],
    run_id: str,
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
    timeout_seconds: int = 1800,
) -> None:
    """Undo the roll-outs that a run left unfinished: traffic goes back, what they made is deleted.

    Made to be the exit task of a pipeline, which runs however the pipeline ends. After a success it finds nothing.

    Args:
        summary: What was undone.
        run_id: The pipeline run; pass dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        resource_group: The workspace's resource group; empty: from the workspace's config.json.
        workspace: The workspace's name; empty: from the workspace's config.json.
        subscription_id: The workspace's subscription; empty: from the secret azcreds, or from the config.json.
        timeout_seconds: How long to wait for Azure, all in all.
    """
    from pathlib import Path

    from kfp_azureml.azureml.markdown import code
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.aml_reconcile import reconcile

    with run_step(reconcile.NAME):
        done = reconcile.reconcile(
            run_id=run_id,
            resource_group=resource_group,
            workspace=workspace,
            subscription_id=subscription_id,
            timeout_seconds=timeout_seconds,
        )
        lines = [f"- {code(line)}" for line in done] or ["Nothing was unfinished."]
        Path(summary.path).write_text("\n".join(lines) + "\n")
