"""KFP component databricks_submit_run."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Markdown, Output

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Submit Run to Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_submit_run(
    result: Output[Artifact],
    summary: Output[Markdown],
    run_name: str = "",
    databricks_host: str = "",
    existing_cluster_id: str = "",
    new_cluster: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    libraries: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    spark_jar_task: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    spark_python_task: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    spark_submit_task: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    notebook_task: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    tasks: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    environments: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    git_source: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    jar_params: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    python_params: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    notebook_params: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    spark_submit_params: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    timeout_seconds: int = 86400,
    queue_timeout_seconds: int = 3600,
    accepted_results: list = ["SUCCESS"],  # type: ignore[type-arg]  # noqa: B006 - kfp needs the default itself
    spec: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    pipeline_run_id: str = "",
    pipeline_task_name: str = "",
) -> NamedTuple(  # type: ignore[valid-type]
    "Outputs",
    [
        ("job_id", str),
        ("number_in_job", int),
        ("run_id", str),
        ("run_name", str),
        ("life_cycle_state", str),
        ("result_state", str),
        ("notebook_output_result", str),
        ("notebook_output_truncated", bool),
        ("notebook_outputs", dict),
        ("error", str),
    ],
):
    """Run a notebook, Python file, JAR or several tasks on Databricks once, and wait for the end.

    Args:
        result: The run, its tasks and their outputs, as JSON; id and link as metadata.
        summary: The same as Markdown, with the link.
        run_name: Name of the run.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.
        existing_cluster_id: Cluster to run on.
        new_cluster: Cluster to create for the run.
        libraries: Libraries to install on the cluster.
        spark_jar_task: The task, a JAR.
        spark_python_task: The task, a Python file.
        spark_submit_task: The task, a spark-submit command.
        notebook_task: The task, a notebook.
        tasks: Several tasks, in place of the above; with environment_key a task runs on serverless compute.
        environments: Environments of serverless tasks.
        git_source: Git repository with the tasks' code.
        jar_params: Parameters of a JAR task.
        python_params: Parameters of a Python file.
        notebook_params: Parameters of a notebook, as dbutils.widgets.get returns them.
        spark_submit_params: Parameters of a spark-submit command.
        timeout_seconds: Timeout for running, in seconds; Databricks gets it too, 0 disables it.
        queue_timeout_seconds: Timeout for queueing and starting the cluster, in seconds; 0 disables it.
        accepted_results: Results that count as success, such as SUCCESS_WITH_FAILURES or SKIPPED.
        spec: Further fields of the request, or all; parameters that are set win.
        pipeline_run_id: Pipeline run, by which a retry and databricks_reconcile find the run; pass
            dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        pipeline_task_name: Task, in a loop with the loop item; pass dsl.PIPELINE_TASK_NAME_PLACEHOLDER.

    Returns:
        The run's ids, name and states; what notebooks passed to dbutils.notebook.exit, of the last task that did and by
        task; the errors of failed tasks, where accepted_results accepts them.
    """
    from pathlib import Path

    from kfp_azureml.azureml.result_file import write_result
    from kfp_azureml.databricks import submit_run
    from kfp_azureml.databricks.fields import set_fields
    from kfp_azureml.databricks.run_results import format_summary, metadata, outputs, write_link
    from kfp_azureml.runtime.step import run_step

    with run_step(submit_run.NAME):
        request = spec | set_fields(
            run_name=run_name,
            existing_cluster_id=existing_cluster_id,
            new_cluster=new_cluster,
            libraries=libraries,
            spark_jar_task=spark_jar_task,
            spark_python_task=spark_python_task,
            spark_submit_task=spark_submit_task,
            notebook_task=notebook_task,
            tasks=tasks,
            environments=environments,
            git_source=git_source,
            jar_params=jar_params,
            python_params=python_params,
            notebook_params=notebook_params,
            spark_submit_params=spark_submit_params,
        )
        outcome = submit_run.submit_run(
            databricks_host,
            request,
            pipeline_run_id=pipeline_run_id,
            task_name=pipeline_task_name,
            timeout_seconds=timeout_seconds,
            queue_timeout_seconds=queue_timeout_seconds,
            accepted_results=accepted_results,
            started=lambda run_id, url: write_link(run_id, url, result, summary.path),
        )
        write_result(outcome, result.path)
        result.metadata.update(metadata(outcome))
        Path(summary.path).write_text(format_summary(outcome))
        return outputs(outcome)
