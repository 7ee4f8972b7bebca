"""KFP component databricks_create_cluster."""

from typing import NamedTuple

from kfp import dsl

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Create Cluster on Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_create_cluster(
    cluster_name: str = "",
    databricks_host: str = "",
    spark_version: str = "",
    node_type_id: str = "",
    num_workers: int = -1,
    autoscale: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    driver_node_type_id: str = "",
    spark_conf: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    spark_env_vars: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    custom_tags: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    cluster_log_conf: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    init_scripts: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    instance_pool_id: str = "",
    policy_id: str = "",
    data_security_mode: str = "",
    autotermination_minutes: int = 60,
    timeout_seconds: int = 3600,
    spec: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    pipeline_run_id: str = "",
    pipeline_task_name: str = "",
) -> NamedTuple("Outputs", [("cluster_id", str), ("cluster_name", str), ("state", str)]):  # type: ignore[valid-type]
    """Create a cluster on Databricks and wait until it runs.

    Args:
        cluster_name: Name of the cluster.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.
        spark_version: Runtime, such as 16.4.x-scala2.12.
        node_type_id: VM size of the nodes.
        num_workers: Number of workers; 0 for a single-node cluster, -1 with autoscale or spec.
        autoscale: Bounds of the number of workers, min_workers and max_workers.
        driver_node_type_id: VM size of the driver; empty selects node_type_id.
        spark_conf: Spark configuration.
        spark_env_vars: Environment variables; a secret is written as {{secrets/SCOPE/KEY}}.
        custom_tags: Tags of the cluster and its VMs.
        cluster_log_conf: Where to deliver logs.
        init_scripts: Scripts to run at the start of each node.
        instance_pool_id: Instance pool.
        policy_id: Cluster policy.
        data_security_mode: Access mode, such as SINGLE_USER or USER_ISOLATION.
        autotermination_minutes: Idle time after which the cluster terminates, in minutes; 0 disables it.
        timeout_seconds: Timeout for the start, in seconds.
        spec: Further fields of the request, or all; parameters that are set win.
        pipeline_run_id: Pipeline run, by which a retry and databricks_reconcile find the cluster; pass
            dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        pipeline_task_name: Task, in a loop with the loop item; pass dsl.PIPELINE_TASK_NAME_PLACEHOLDER.

    Returns:
        The cluster's id, name and state.
    """
    from kfp_azureml.databricks import clusters
    from kfp_azureml.databricks.fields import set_fields
    from kfp_azureml.runtime.step import run_step

    with run_step(clusters.CREATE):
        request = {"autotermination_minutes": autotermination_minutes} | spec
        request |= {"num_workers": num_workers} if num_workers >= 0 else {}
        request |= set_fields(
            cluster_name=cluster_name,
            spark_version=spark_version,
            node_type_id=node_type_id,
            autoscale=autoscale,
            driver_node_type_id=driver_node_type_id,
            spark_conf=spark_conf,
            spark_env_vars=spark_env_vars,
            custom_tags=custom_tags,
            cluster_log_conf=cluster_log_conf,
            init_scripts=init_scripts,
            instance_pool_id=instance_pool_id,
            policy_id=policy_id,
            data_security_mode=data_security_mode,
        )
        return clusters.create_cluster(
            databricks_host,
            request,
            pipeline_run_id=pipeline_run_id,
            task_name=pipeline_task_name,
            timeout_seconds=timeout_seconds,
        )
