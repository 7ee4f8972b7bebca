"""The client of a Databricks workspace, with the suite's credentials and retries."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kfp_azureml import __version__
from kfp_azureml.azcreds import malformed_reason
from kfp_azureml.databricks_secret import HOST_KEY, SECRET_NAME
from kfp_azureml.runtime.errors import CredentialsError, WorkspaceError
from kfp_azureml.runtime.step import quieten

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_AZURE_HOST = re.compile(r"[a-z0-9.-]+\.(azuredatabricks\.net|databricks\.azure\.(us|cn))")
_REQUEST_SECONDS = 60


def workspace_client(host: str, environ: Mapping[str, str] = os.environ) -> WorkspaceClient:
    """Return a client of a workspace; it retries nothing itself, see `retries`.

    Args:
        host: The workspace's URL; empty takes it from DATABRICKS_HOST.
        environ: The environment variables.

    Raises:
        WorkspaceError: If the URL is missing or not that of a workspace.
        CredentialsError: If there are no credentials, or they are malformed.
    """
    address = workspace_url(host, environ)
    from kfp_azureml.databricks.credentials import strategy

    chosen = strategy(is_azure=_is_azure(address), environ=environ)

    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    from kfp_azureml.databricks.retries import SingleAttempt

    # The SDK warns where a host does not publish its configuration, which is optional.
    quieten("databricks.sdk", logging.ERROR)
    config = Config(
        host=address,
        credentials_strategy=chosen,
        auth_type=chosen.auth_type(),
        product="kfp-azureml",
        product_version=__version__,
        retry_timeout_seconds=1,
        http_timeout_seconds=_REQUEST_SECONDS,
        clock=SingleAttempt(),
    )
    return WorkspaceClient(config=config)


def workspace_url(host: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return a workspace's URL without a path.

    Raises:
        WorkspaceError: If it is missing or not an https URL of a host.
        CredentialsError: If DATABRICKS_HOST is malformed; see `azcreds.malformed_reason`.
    """
    name, value = ("databricks_host", host) if host else (HOST_KEY, environ.get(HOST_KEY, ""))
    if not value:
        raise WorkspaceError(
            f"no Databricks workspace: set databricks_host (--databricks-host) or the environment variable {HOST_KEY}, "
            f"on Kubeflow in the secret {SECRET_NAME}"
        )
    if wrong := malformed_reason(value):
        raise CredentialsError(f"{name} {wrong}")
    parts = urlsplit(value if "://" in value else f"https://{value}")
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or "@" in parts.netloc:
        raise WorkspaceError(
            f"{name}: not a workspace URL: use https://HOST without a path, such as "
            "https://adb-1234567890123456.7.azuredatabricks.net"
        )
    return f"https://{parts.netloc.lower()}"


def _is_azure(address: str) -> bool:
    return _AZURE_HOST.fullmatch(urlsplit(address).hostname or "") is not None
