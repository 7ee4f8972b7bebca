"""Why an environment's image could not be built: the end of the log that Azure ML leaves in the workspace's storage."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError

from kfp_azureml.azureml.blobs import datastore_container

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# Every workspace has this datastore, for what the service itself writes.
_DATASTORE, _FOLDER = "workspaceartifactstore", "ImageLogs/"
_TAIL_BYTES = 64 * 1024

logger = logging.getLogger(__name__)


def read_build_log(client: MLClient, lines: int) -> str:
    """Return the end of the newest build log.

    Args:
        client: A client of the workspace.
        lines: How many lines.

    Returns:
        The lines; empty if there is no log, or the identity may not read it, which is then logged.
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
        logger.warning("no build log to show (%s)", type(error).__name__)
        return ""
    return "\n".join(content.decode(errors="replace").splitlines()[-lines:])
