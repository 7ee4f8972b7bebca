"""Turn errors of the Databricks SDK into one-line errors with advice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError
from databricks.sdk.errors import (
    BadRequest,
    NotFound,
    PermissionDenied,
    ResourceConflict,
    TooManyRequests,
    Unauthenticated,
)
from databricks.sdk.errors.base import DatabricksError as SdkError

from kfp_azureml.azcreds import PRINCIPAL_KEYS
from kfp_azureml.databricks.retries import FAILURES, cause_of
from kfp_azureml.databricks_secret import RESOURCE_ID_KEY, TOKEN_KEY
from kfp_azureml.runtime.errors import CredentialsError, DatabricksError, KfpAzuremlError, WorkspaceError
from kfp_azureml.runtime.terminal import short

_REFUSED = (
    f"Databricks rejected the credentials: check {TOKEN_KEY}, or {', '.join(PRINCIPAL_KEYS)}; a service principal has "
    "to be added to the workspace (Settings, Identity and access), or be Contributor on its Azure resource with "
    f"{RESOURCE_ID_KEY} set"
)
_QUOTA = re.compile(r"quota|core limit|limit.{0,40}(exceeded|reached)|(exceed|reach)\w*.{0,60}limit", re.IGNORECASE)
_NO_CAPACITY = re.compile(r"stockout|out of capacity|SkuNotAvailable|AllocationFailed", re.IGNORECASE)
_BAD_TOKEN = re.compile(r"(invalid|expired) (access )?token|token.{0,20}expired", re.IGNORECASE)  # a 403 for a PAT
_MISSING = re.compile(r"\b(does not|doesn't) exist\b", re.IGNORECASE)
# The SDK appends its configuration to the message of a 401 or 403.
_SDK_CONFIGURATION = re.compile(r"\.? (Config|Env): .*", re.DOTALL)


@contextmanager
def databricks_errors(doing: str, needs: str = "") -> Iterator[None]:
    """Replace errors of requests in the block with one-line errors.

    Args:
        doing: The operation and its target, such as `creating cluster etl`.
        needs: What the identity needs for it, such as `'Can Manage Run' on the job`.

    Raises:
        KfpAzuremlError: In place of errors of the SDK, of its connections and of the credentials.
    """
    try:
        yield
    except FAILURES as error:
        raise explain(error, doing, needs) from error


def explain(raised: BaseException, doing: str, needs: str = "") -> KfpAzuremlError:
    """Return the one-line error for an exception; see `databricks_errors`."""
    error = cause_of(raised)
    if isinstance(error, AzureError):
        from kfp_azureml.azureml import azure_errors

        return azure_errors.explain(error, doing, CredentialsError)
    if not isinstance(error, SdkError):
        return WorkspaceError(
            f"{doing}: Databricks cannot be reached: check databricks_host, network and proxy ({_words(error)})"
        )
    detail = f"({_words(error)})"
    if isinstance(error, Unauthenticated) or (isinstance(error, PermissionDenied) and _BAD_TOKEN.search(str(error))):
        return CredentialsError(f"{doing}: {_REFUSED} {detail}")
    if isinstance(error, PermissionDenied):
        missing = f": it needs {needs}, which an admin of the workspace can grant" if needs else ""
        return CredentialsError(f"{doing}: the identity lacks permission{missing} {detail}")
    return DatabricksError(f"{doing}: {advice_for(str(error)) or _advice(error)} {detail}")


def advice_for(text: str) -> str:
    """Return the advice for what a message or a termination reason says; empty if there is none."""
    if _QUOTA.search(text):
        return "quota or limit exceeded: request more in Azure, or set a smaller node_type_id or fewer workers"
    if _NO_CAPACITY.search(text):
        return "Azure has no capacity for this node_type_id in this region: set another one, or try again later"
    return ""


def is_missing(error: BaseException) -> bool:
    """Tell whether the target does not exist, which may also be an invalid parameter."""
    return isinstance(error, NotFound) or (isinstance(error, BadRequest) and _MISSING.search(str(error)) is not None)


def _advice(error: SdkError) -> str:
    if is_missing(error):
        return "does not exist in this workspace: check its name or id, and databricks_host"
    if isinstance(error, ResourceConflict):
        return "conflicts with something that exists"
    if isinstance(error, TooManyRequests):
        return "Databricks is throttling this identity: try again later"
    if isinstance(error, BadRequest):
        return "Databricks rejects a field of the request: correct the one it names"
    return "Databricks failed: run the step again; if it persists, check its status page"


def _words(error: BaseException) -> str:
    words = _SDK_CONFIGURATION.sub("", str(error))
    code = getattr(error, "error_code", None)
    return short(f"{code}: {words}" if code else words or type(error).__name__)
