"""What the SDK raises when it is asked for components and jobs, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.workspace import quiet_sdk
from kfp_azureml.runtime.errors import PipelineError


@contextmanager
def sdk_errors(doing: str) -> Iterator[None]:
    """Turn what the service and the SDK's own checks raise inside the block into one line; keep the SDK quiet.

    Args:
        doing: What was being done and to what, such as `asking for job 7`.

    Raises:
        PipelineError: In place of the SDK's exceptions.
    """
    from azure.ai.ml.exceptions import MlException

    with azure_errors(doing, PipelineError), quiet_sdk():
        try:
            yield
        except MlException as error:
            raise PipelineError(f"{doing}: {' '.join(str(error).split())}") from error
