"""Check the Databricks workspace in DATABRICKS_HOST: reachable, and the credentials accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError

from kfp_azureml.azcreds import malformed_reason
from kfp_azureml.azureml.azure_errors import explain
from kfp_azureml.azureml.checks.hosts import REQUEST_SECONDS, check_host
from kfp_azureml.databricks_secret import ENTRA_SCOPE, HOST_KEY, TOKEN_KEY
from kfp_azureml.runtime.checks import Outcome, failed, passed
from kfp_azureml.runtime.errors import CredentialsError, WorkspaceError
from kfp_azureml.runtime.redaction import add_secret
from kfp_azureml.runtime.terminal import short

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_WHO_AM_I = "/api/2.0/preview/scim/v2/Me"
_SET_HOST = f"export {HOST_KEY}=https://adb-NUMBER.NUMBER.azuredatabricks.net"
_SET_TOKEN = f"export {TOKEN_KEY}=TOKEN (create one: databricks tokens create), or unset it"


def check_databricks_host(environ: Mapping[str, str]) -> Outcome:
    """Check that the address is valid and its host responds; the outcome has the host."""
    value = environ.get(HOST_KEY, "")
    if wrong := malformed_reason(value):
        return failed(f"{HOST_KEY} {wrong}", _SET_HOST)
    url = urlsplit(value if "://" in value else f"https://{value}")
    if url.scheme != "https" or not url.hostname or url.path.strip("/") or url.query or url.fragment:
        return failed(f"{HOST_KEY} is not the https address of a workspace, without a path", _SET_HOST)
    outcome = check_host(url.hostname)
    return passed(outcome.message, url.hostname) if outcome.found else outcome


def check_databricks_token(host: str, identity: TokenCredential | None, environ: Mapping[str, str]) -> Outcome:
    """Check that Databricks accepts the token, or without one the Azure credentials."""
    import requests

    token = environ.get(TOKEN_KEY, "")
    if wrong := malformed_reason(token):
        return failed(f"{TOKEN_KEY} {wrong}", _SET_TOKEN)
    who = TOKEN_KEY if token else "the Azure credentials"
    if not token:
        if identity is None:
            return failed(f"{TOKEN_KEY} is missing, and there are no Azure credentials", _SET_TOKEN)
        try:
            token = identity.get_token(ENTRA_SCOPE).token
        except AzureError as error:
            raise explain(error, "signing in to Databricks", CredentialsError) from error
    add_secret(token)
    try:
        answer = requests.get(
            f"https://{host}{_WHO_AM_I}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=REQUEST_SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise WorkspaceError(f"{host}: {short(str(error), 120)}") from error
    if answer.status_code in (401, 403):
        mend = (
            _SET_TOKEN
            if who == TOKEN_KEY
            else "databricks service-principals create (add the identity to the workspace)"
        )
        return failed(f"{host} rejects {who} (status {answer.status_code})", mend)
    if not answer.ok:
        return failed(f"{host} responded with status {answer.status_code}", f"curl --verbose https://{host}/")
    return passed(f"{host} accepts {who}")
