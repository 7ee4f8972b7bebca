"""Databricks to a live endpoint: import a notebook, run it, train on its images, register and deploy.

The notebook writes to the blob container of the Azure ML workspace's default datastore, where prep reads.
"""

import base64
from pathlib import Path
from typing import Any

from kfp import dsl

from kfp_azureml.compiling import PipelineOptions
from kfp_azureml.compiling.pods import for_azure, for_databricks, for_kubeflow, time_to_live
from kfp_azureml.components import (
    aml_deploy_model,
    aml_register_model,
    databricks_create_secret_scope,
    databricks_import_workspace_item,
    databricks_reconcile,
    databricks_submit_run,
    prep,
    score,
    train,
)

NOTEBOOK = Path(__file__).with_name("notebook.py")
SCOPE = "kfp-azureml-example"
CLASSES = ["horizontal", "rising", "vertical", "falling"]
MACHINES = {"spark_version": "17.3.x-scala2.13", "node_type_id": "Standard_D4ds_v5", "num_workers": 1}
HOUR = 3600


def build_pipeline(options: PipelineOptions) -> Any:
    """Return the pipeline, ready to be compiled.

    Args:
        options: What is chosen at compile time: images, Azure identity and the like.
    """

    @dsl.pipeline(name="databricks-to-endpoint", pipeline_config=time_to_live(options))
    def databricks_to_endpoint(
        container: str,
        resource_group: str,
        workspace: str,
        subscription_id: str = "",
        databricks_host: str = "",
        notebook_path: str = "/Workspace/Shared/kfp-azureml-example",
        training_images: int = 2000,
        test_images: int = 400,
        epochs: int = 2,
        model_name: str = "stripes",
    ) -> None:
        """Databricks to a live endpoint.

        Args:
            container: URL of the default datastore's container, https://ACCOUNT.blob.core.windows.net/CONTAINER.
            resource_group: Resource group of the Azure ML workspace.
            workspace: Name of the Azure ML workspace.
            subscription_id: Subscription of the workspace; empty takes it from the secret azcreds.
            databricks_host: URL of the Databricks workspace; empty takes it from the secret databricks.
            notebook_path: Path for the notebook in the Databricks workspace.
            training_images: Number of training images.
            test_images: Number of test images.
            epochs: Number of epochs.
            model_name: Name to register the model under.
        """
        run_id = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        workspace_of = {"resource_group": resource_group, "workspace": workspace, "subscription_id": subscription_id}
        left = databricks_reconcile(pipeline_run_id=run_id, databricks_host=databricks_host)
        with dsl.ExitHandler(left, name="clean-up-on-databricks"):
            scope = databricks_create_secret_scope(
                scope_name=SCOPE,
                databricks_host=databricks_host,
                secrets={
                    "tenant-id": "AZ_TENANT_ID",
                    "client-id": "AZ_CLIENT_ID",
                    "client-secret": "AZ_CLIENT_SECRET",
                },
            )
            notebook = databricks_import_workspace_item(
                path=notebook_path,
                databricks_host=databricks_host,
                content=base64.b64encode(NOTEBOOK.read_bytes()).decode(),
                language="PYTHON",
            )
            made = databricks_submit_run(
                run_name="make-images",
                databricks_host=databricks_host,
                new_cluster=MACHINES,
                notebook_task={"notebook_path": notebook.outputs["object_path"]},
                notebook_params={
                    "container": container,
                    "folder": f"databricks/{run_id}",
                    "training_images": training_images,
                    "test_images": test_images,
                    "secret_scope": scope.outputs["secretscope_name"],
                },
                timeout_seconds=HOUR,
                pipeline_run_id=run_id,
                pipeline_task_name=dsl.PIPELINE_TASK_NAME_PLACEHOLDER,
            )
            prepared = prep(
                input_data=f"azureml://datastores/workspaceblobstore/paths/databricks/{run_id}",
                class_names=CLASSES,
                data_version=run_id,
                **workspace_of,
            ).after(made)
            trained = train(input_data=prepared.outputs["training_data"], epochs=epochs, batch_size=32)
            scored = score(input_data=prepared.outputs["test_data"], input_model=trained.outputs["output_model"])
            registered = aml_register_model(
                model=trained.outputs["output_model"],
                score_result=scored.outputs["output_result"],
                model_name=model_name,
                run_id=run_id,
                **workspace_of,
            )
            deployed = aml_deploy_model(
                model_name=model_name,
                model_version=registered.outputs["version"],
                score_result=scored.outputs["output_result"],
                strategy="all-at-once",
                soak_seconds=0,
                run_id=run_id,
                **workspace_of,
            )

        for task in (scope, notebook, made, left):
            for_databricks(for_kubeflow(task, options, cpu="500m", memory="512Mi", timeout_seconds=2 * HOUR), options)
            task.set_caching_options(False)
        for task in (registered, deployed):
            for_azure(for_kubeflow(task, options, cpu="500m", memory="512Mi", timeout_seconds=HOUR), options)
            task.set_caching_options(False)
        for_azure(for_kubeflow(prepared, options, cpu="1", memory="1Gi", timeout_seconds=HOUR), options)
        for_kubeflow(trained, options, cpu="2", memory="2Gi", timeout_seconds=HOUR)
        for_kubeflow(scored, options, cpu="1", memory="1Gi", timeout_seconds=HOUR)

    return databricks_to_endpoint
