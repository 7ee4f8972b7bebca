"""KFP component databricks_import_workspace_item."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Input

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Import Item into Databricks Workspace"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_import_workspace_item(
    path: str,
    databricks_host: str = "",
    content: str = "",
    language: str = "",
    file_format: str = "SOURCE",
    overwrite: bool = True,
    # Not Optional[...]: kfp's executor calls the annotation where the backend names no type, which it does not.
    item: Input[Artifact] = None,
) -> NamedTuple(  # type: ignore[valid-type]
    "Outputs", [("object_hash", str), ("object_language", str), ("object_type", str), ("object_path", str)]
):
    """Import a notebook, file or folder into a Databricks workspace; its parent folder is created.

    Args:
        path: Absolute path, such as /Workspace/Shared/prepare.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.
        content: Content in base64, up to 10 MB; empty with item.
        language: PYTHON, SCALA, SQL or R, for file_format SOURCE.
        file_format: SOURCE, JUPYTER, HTML, DBC, R_MARKDOWN, RAW or AUTO.
        overwrite: Replace an item that exists.
        item: File with the content, in place of content.

    Returns:
        The sha256 of the content, and the item's language, type and path.
    """
    from kfp_azureml.databricks import workspace_items
    from kfp_azureml.databricks.content import content_of
    from kfp_azureml.runtime.step import run_step

    with run_step(workspace_items.IMPORT):
        return workspace_items.import_workspace_item(
            databricks_host,
            path,
            content_of("content", content, "item", item.path if item else ""),
            language=language,
            file_format=file_format,
            overwrite=overwrite,
        )
