"""The suite's components, ready for a pipeline: `from kfp_azureml.components import prep, train`.

`help(prep)` shows a component's interface.
"""

from kfp_azureml.compiling.interface import interface
from kfp_azureml.steps.aml_deploy_model.component import aml_deploy_model
from kfp_azureml.steps.aml_download_model.component import aml_download_model
from kfp_azureml.steps.aml_live_model.component import aml_live_model
from kfp_azureml.steps.aml_preflight.component import aml_preflight
from kfp_azureml.steps.aml_reconcile.component import aml_reconcile
from kfp_azureml.steps.aml_register_model.component import aml_register_model
from kfp_azureml.steps.databricks.create_cluster.component import databricks_create_cluster
from kfp_azureml.steps.databricks.create_job.component import databricks_create_job
from kfp_azureml.steps.databricks.create_secret_scope.component import databricks_create_secret_scope
from kfp_azureml.steps.databricks.delete_cluster.component import databricks_delete_cluster
from kfp_azureml.steps.databricks.delete_file.component import databricks_delete_file
from kfp_azureml.steps.databricks.delete_job.component import databricks_delete_job
from kfp_azureml.steps.databricks.delete_run.component import databricks_delete_run
from kfp_azureml.steps.databricks.delete_secret_scope.component import databricks_delete_secret_scope
from kfp_azureml.steps.databricks.delete_workspace_item.component import databricks_delete_workspace_item
from kfp_azureml.steps.databricks.import_workspace_item.component import databricks_import_workspace_item
from kfp_azureml.steps.databricks.reconcile.component import databricks_reconcile
from kfp_azureml.steps.databricks.run_job.component import databricks_run_job
from kfp_azureml.steps.databricks.submit_run.component import databricks_submit_run
from kfp_azureml.steps.databricks.upload_file.component import databricks_upload_file
from kfp_azureml.steps.prep.component import prep
from kfp_azureml.steps.quality_gate.component import quality_gate
from kfp_azureml.steps.score.component import score
from kfp_azureml.steps.train.component import train
from kfp_azureml.steps.train_distributed.component import train_distributed

__all__ = [
    "aml_deploy_model",
    "aml_download_model",
    "aml_live_model",
    "aml_preflight",
    "aml_reconcile",
    "aml_register_model",
    "databricks_create_cluster",
    "databricks_create_job",
    "databricks_create_secret_scope",
    "databricks_delete_cluster",
    "databricks_delete_file",
    "databricks_delete_job",
    "databricks_delete_run",
    "databricks_delete_secret_scope",
    "databricks_delete_workspace_item",
    "databricks_import_workspace_item",
    "databricks_reconcile",
    "databricks_run_job",
    "databricks_submit_run",
    "databricks_upload_file",
    "prep",
    "quality_gate",
    "score",
    "train",
    "train_distributed",
]

for _name in __all__:
    # Without a text of their own kfp's components all show the same help, that of their class.
    globals()[_name].__doc__ = interface(globals()[_name])
