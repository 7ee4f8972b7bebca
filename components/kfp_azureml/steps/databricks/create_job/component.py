"""KFP component databricks_create_job."""

from typing import NamedTuple

from kfp import dsl

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Create Job on Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_create_job(
    job_name: str = "",
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
    job_clusters: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    parameters: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    timeout_seconds: int = 0,
    max_retries: int = 0,
    min_retry_interval_millis: int = 0,
    retry_on_timeout: bool = False,
    schedule: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    max_concurrent_runs: int = 0,
    email_notifications: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    tags: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    spec: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
) -> NamedTuple("Outputs", [("job_id", str), ("job_name", str)]):  # type: ignore[valid-type]
    """Create a job on Databricks, or update the one of this name that this component created.

    Args:
        job_name: Name of the job, by which later calls find it.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.
        existing_cluster_id: Cluster to run on.
        new_cluster: Cluster to create for each run.
        libraries: Libraries to install on the cluster.
        spark_jar_task: The task, a JAR.
        spark_python_task: The task, a Python file.
        spark_submit_task: The task, a spark-submit command.
        notebook_task: The task, a notebook.
        tasks: Several tasks, in place of the above; with environment_key a task runs on serverless compute.
        environments: Environments of serverless tasks.
        git_source: Git repository with the tasks' code.
        job_clusters: Clusters that tasks share, by job_cluster_key.
        parameters: Parameters of the job with name and default.
        timeout_seconds: Timeout of each run, in seconds; 0 disables it.
        max_retries: Maximum number of retries of the task by Databricks; -1 for no maximum.
        min_retry_interval_millis: Minimum time between the starts of a failed attempt and its retry, in ms.
        retry_on_timeout: Retry the task after a timeout, too.
        schedule: Schedule with quartz_cron_expression and timezone_id.
        max_concurrent_runs: Maximum number of concurrent runs; 0 selects the default, 1.
        email_notifications: Addresses to notify, by event.
        tags: Tags of the job.
        spec: Further fields of the request, or all; parameters that are set win.

    Returns:
        The job's id and name.
    """
    from kfp_azureml.databricks import jobs
    from kfp_azureml.databricks.fields import set_fields
    from kfp_azureml.runtime.step import run_step

    with run_step(jobs.CREATE):
        request = spec | set_fields(
            name=job_name,
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
            job_clusters=job_clusters,
            parameters=parameters,
            timeout_seconds=timeout_seconds,
            max_retries=max_retries,
            min_retry_interval_millis=min_retry_interval_millis,
            retry_on_timeout=retry_on_timeout,
            schedule=schedule,
            max_concurrent_runs=max_concurrent_runs,
            email_notifications=email_notifications,
            tags=tags,
        )
        return jobs.create_job(databricks_host, request)
