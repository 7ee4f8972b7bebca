"""Turn exceptions of the Azure SDK into one-line errors, and tell apart those that callers handle.

The advice in the messages is in `error_advice`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError

from kfp_azureml.azureml.error_advice import (
    BUSY,
    CONFLICT,
    ENDPOINT_NEVER_CREATED,
    HAS_TRAFFIC,
    IMAGE_NOT_BUILT,
    NEVER_PROVISIONED,
    NO_IMAGE_YET,
    WAS_DELETED,
    find_advice,
)
from kfp_azureml.azureml.error_body import read_service_error
from kfp_azureml.azureml.retries import lost_connection
from kfp_azureml.runtime.errors import KfpAzuremlError, WorkspaceError
from kfp_azureml.runtime.terminal import short


@contextmanager
def azure_errors(doing: str, otherwise: type[KfpAzuremlError] = WorkspaceError) -> Iterator[None]:
    """Replace AzureErrors raised in the block with one-line errors.

    Args:
        doing: The operation and its target, such as `creating endpoint fashion`.
        otherwise: The exception class if neither code nor status determines it.

    Raises:
        KfpAzuremlError: In place of any AzureError.
    """
    try:
        yield
    except AzureError as error:
        raise explain(error, doing, otherwise) from error


def explain(error: AzureError, doing: str, otherwise: type[KfpAzuremlError] = WorkspaceError) -> KfpAzuremlError:
    """Return the one-line error for an AzureError; see `azure_errors`."""
    lost = lost_connection(error)
    if lost is not None:
        return WorkspaceError(f"{doing}: Azure cannot be reached: check network and proxy ({service_words(lost)})")
    advice = find_advice(error)
    detail = f"({service_words(error)})"
    if advice is None:
        return otherwise(f"{doing}: {detail[1:-1]}")
    return (advice.error or otherwise)(f"{doing}: {advice.text} {detail}")


def error_codes(error: HttpResponseError) -> list[str]:
    """Return the service's error codes, the outermost first, including those in details."""
    return read_service_error(error).codes


def never_provisioned(error: AzureError) -> bool:
    """Tell whether the resource has to be recreated because its first provisioning failed."""
    # A rejected request, not a failed operation, whose text may contain any log.
    refused = isinstance(error, HttpResponseError) and (error.status_code or 0) >= 400
    return refused and find_advice(error) in (NEVER_PROVISIONED, ENDPOINT_NEVER_CREATED)


def was_deleted(error: AzureError) -> bool:
    """Tell whether Azure ML rejects a name and version because that version was deleted."""
    return find_advice(error) is WAS_DELETED


def has_traffic(error: AzureError) -> bool:
    """Tell whether Azure ML did not delete a deployment because it receives traffic."""
    return find_advice(error) is HAS_TRAFFIC


def is_busy(error: AzureError) -> bool:
    """Tell whether Azure rejects an operation because another one is still running."""
    advice = find_advice(error)
    return advice is BUSY or (isinstance(error, ResourceExistsError) and advice in (None, CONFLICT))


def is_image_failure(error: AzureError) -> bool:
    """Tell whether a deployment failed because its environment's image could not be built."""
    return find_advice(error) in (IMAGE_NOT_BUILT, NO_IMAGE_YET)


def service_words(error: BaseException) -> str:
    """Return the service's own message and codes in one line of bounded length."""
    text = error.message if isinstance(error, AzureError) else str(error)
    if isinstance(error, HttpResponseError):
        said = read_service_error(error)
        text = ": ".join(part for part in ("/".join(said.codes), said.message) if part) or text
    return short(str(text))
