"""KFP component databricks_delete_cluster."""

from kfp import dsl

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Delete Cluster from Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_delete_cluster(
    cluster_id: str = "", cluster_name: str = "", databricks_host: str = "", permanent: bool = False
) -> bool:
    """Terminate a cluster on Databricks.

    Args:
        cluster_id: Cluster; empty with cluster_name.
        cluster_name: Name of the cluster; empty with cluster_id.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.
        permanent: Delete its settings too; otherwise it stays in the list and can be started again.

    Returns:
        Whether it existed.
    """
    from kfp_azureml.databricks import clusters
    from kfp_azureml.runtime.step import run_step

    with run_step(clusters.DELETE):
        return clusters.delete_cluster(databricks_host, cluster_id, cluster_name, permanent)
