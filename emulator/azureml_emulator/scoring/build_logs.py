"""Logs of failed environment builds, stored where the service stores them."""

from __future__ import annotations

import uuid

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.scoring.build_failures import IMAGE_BUILD_FAILURE, ImageBuildError
from azureml_emulator.storage.blobs import Blobs

CONTAINER = "azureml"


async def keep_build_log(blobs: Blobs, error: ArmError) -> ArmError:
    """Store the log of a failed build; return an error that names its location.

    Errors of other operations are returned unchanged. The service does the same:
    https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints#error-imagebuildfailure
    """
    if error.code != IMAGE_BUILD_FAILURE:
        return error
    path = f"ImageLogs/{uuid.uuid4().hex}/build.log"
    reason, log = (error.reason, error.log) if isinstance(error, ImageBuildError) else (error.message, error.message)
    await blobs.create_container(CONTAINER)
    await blobs.write(f"{blobs.url(CONTAINER)}/{path}", log.encode())
    return ArmError(
        error.status,
        error.code,
        f"{reason} The build log is available in the workspace blob store '{blobs.account}' under the path"
        f" '/{CONTAINER}/{path}'.",
    )
