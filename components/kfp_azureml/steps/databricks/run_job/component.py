"""KFP component databricks_run_job."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Markdown, Output

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Run Job on Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_run_job(
    result: Output[Artifact],
    summary: Output[Markdown],
    job_id: str = "",
    job_name: str = "",
    databricks_host: str = "",
    jar_params: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    python_params: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    notebook_params: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    spark_submit_params: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    job_parameters: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    only: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    queue: bool = True,
    timeout_seconds: int = 86400,
    queue_timeout_seconds: int = 3600,
    accepted_results: list = ["SUCCESS"],  # type: ignore[type-arg]  # noqa: B006 - kfp needs the default itself
    max_repairs: int = 0,
    cancel_previous_runs: bool = False,
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
    """Run a job that exists on Databricks, and wait for the end.

    Args:
        result: The run, its tasks and their outputs, as JSON; id and link as metadata.
        summary: The same as Markdown, with the link.
        job_id: Job; empty with job_name.
        job_name: Name of the job; empty with job_id.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.
        jar_params: Parameters of a JAR task.
        python_params: Parameters of a Python file.
        notebook_params: Parameters of a notebook, as dbutils.widgets.get returns them.
        spark_submit_params: Parameters of a spark-submit command.
        job_parameters: Parameters of the job, which its tasks share.
        only: Keys of the tasks to run; empty runs all.
        queue: Queue the run if the job or workspace already has its maximum of runs; otherwise it is skipped.
        timeout_seconds: Timeout for running, in seconds; 0 disables it. The job's own timeout applies too.
        queue_timeout_seconds: Timeout for queueing and starting the cluster, in seconds; 0 disables it.
        accepted_results: Results that count as success, such as SUCCESS_WITH_FAILURES or SKIPPED.
        max_repairs: Maximum number of times to rerun failed tasks and those that depend on them, in the same run.
        cancel_previous_runs: Cancel the job's active runs, of whoever started them.
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
    from kfp_azureml.databricks import run_job
    from kfp_azureml.databricks.fields import set_fields
    from kfp_azureml.databricks.run_results import format_summary, metadata, outputs, write_link
    from kfp_azureml.runtime.step import run_step

    with run_step(run_job.NAME):
        request = spec | set_fields(
            jar_params=jar_params,
            python_params=python_params,
            notebook_params=notebook_params,
            spark_submit_params=spark_submit_params,
            job_parameters=job_parameters,
            only=only,
        )
        outcome = run_job.run_job(
            databricks_host,
            job_id,
            job_name,
            {"queue": {"enabled": queue}} | request,
            pipeline_run_id=pipeline_run_id,
            task_name=pipeline_task_name,
            timeout_seconds=timeout_seconds,
            queue_timeout_seconds=queue_timeout_seconds,
            accepted_results=accepted_results,
            max_repairs=max_repairs,
            cancel_previous_runs=cancel_previous_runs,
            started=lambda run_id, url: write_link(run_id, url, result, summary.path),
        )
        write_result(outcome, result.path)
        result.metadata.update(metadata(outcome))
        Path(summary.path).write_text(format_summary(outcome))
        return outputs(outcome)
