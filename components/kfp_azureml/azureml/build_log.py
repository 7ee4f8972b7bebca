"""Read the build log of an environment's image, which Azure ML writes to the workspace's storage."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError

from kfp_azureml.azureml.blobs import datastore_container

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# Every workspace has this datastore; the service writes to it.
_DATASTORE, _FOLDER = "workspaceartifactstore", "ImageLogs/"
_TAIL_BYTES = 64 * 1024

logger = logging.getLogger(__name__)


def read_build_log(client: MLClient, lines: int) -> str:
    """Return the end of the newest build log.

    Args:
        client: A client of the workspace.
        lines: Maximum number of lines.

    Returns:
        The lines; empty, after a warning in the log, if the log cannot be read, and empty if there is none.
    """
    try:
        with datastore_container(client, _DATASTORE) as container:
            logs = [blob for blob in container.list_blobs(_FOLDER) if blob.name.endswith(".log")]
            if not logs:
                return ""
            newest = max(logs, key=lambda blob: blob.last_modified)
            begin = max(0, newest.size - _TAIL_BYTES)
            content = container.download_blob(newest.name, offset=begin).readall() if newest.size else b""
    except AzureError as error:
        logger.warning("the build log cannot be read (%s)", type(error).__name__)
        return ""
    return "\n".join(content.decode(errors="replace").splitlines()[-lines:])
