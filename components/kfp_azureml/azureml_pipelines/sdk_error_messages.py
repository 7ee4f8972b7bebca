"""Turn exceptions of azure-ai-ml and the service into one-line errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.workspace import quiet_sdk
from kfp_azureml.runtime.errors import PipelineError


@contextmanager
def sdk_errors(doing: str) -> Iterator[None]:
    """Replace exceptions of the service and the SDK's validation in the block; suppress the SDK's output.

    Args:
        doing: The operation and its target, such as `reading job 7`.

    Raises:
        PipelineError: In place of such an exception.
    """
    from azure.ai.ml.exceptions import MlException

    with azure_errors(doing, PipelineError), quiet_sdk():
        try:
            yield
        except MlException as error:
            raise PipelineError(f"{doing}: {' '.join(str(error).split())}") from error
