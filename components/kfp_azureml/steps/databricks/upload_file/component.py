"""KFP component databricks_upload_file."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Input

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Upload File to Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_upload_file(
    path: str,
    databricks_host: str = "",
    data: str = "",
    overwrite: bool = True,
    # Not Optional[...]: kfp's executor calls the annotation where the backend names no type, which it does not.
    file: Input[Artifact] = None,
) -> NamedTuple(  # type: ignore[valid-type]
    "Outputs", [("file_info_path", str), ("file_info_file_size", int), ("file_hash", str)]
):
    """Upload a file to a Databricks volume or workspace; missing folders are created.

    Args:
        path: /Volumes/CATALOG/SCHEMA/VOLUME/FILE or /Workspace/FOLDER/FILE; dbfs:/FILE for the deprecated DBFS.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.
        data: Content in base64; empty with file.
        overwrite: Replace a file that exists.
        file: File to upload, in place of data.

    Returns:
        The path, its size in bytes and its sha256.
    """
    from kfp_azureml.databricks import files
    from kfp_azureml.databricks.content import source_file
    from kfp_azureml.runtime.step import run_step

    with run_step(files.UPLOAD), source_file("data", data, "file", file.path if file else "") as source:
        return files.upload_file(databricks_host, path, source, overwrite)
