"""Delete something, unless it is gone already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from databricks.sdk.errors.base import DatabricksError as SdkError

from kfp_azureml.databricks.api_errors import databricks_errors, is_missing
from kfp_azureml.databricks.retries import retrying
from kfp_azureml.runtime.step import progress


def deleted(what: str, delete: Callable[[], Any], needs: str = "") -> bool:
    """Delete something; return whether it existed, as far as the last request tells.

    Args:
        what: The thing for messages, such as `job etl`.
        delete: Deletes it with one request.
        needs: What the identity needs for it.

    Raises:
        KfpAzuremlError: If it cannot be deleted.
    """
    with databricks_errors(f"deleting {what}", needs):
        try:
            retrying(f"deleting {what}", delete)
        except SdkError as error:
            if not is_missing(error):
                raise
            progress(f"{what}: does not exist, nothing to delete")
            return False
    progress(f"{what}: deleted")
    return True
