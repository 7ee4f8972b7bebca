"""Connect to Kubeflow's API: its URL, credentials, and a client with timeouts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import wraps
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.engines.kubeconfig import NAMESPACE
from kfp_azureml.kubeflow import api_error_messages
from kfp_azureml.kubeflow.api_error_messages import NotTheApiError, api_errors
from kfp_azureml.runtime.errors import KubeflowError
from kfp_azureml.runtime.text_files import read_user_text

if TYPE_CHECKING:
    from kfp import Client

HOST_VARIABLE = "KF_PIPELINES_ENDPOINT"  # the first three names are kfp's
PAGES_VARIABLE = "KF_PIPELINES_UI_ENDPOINT"
TOKEN_PATH_VARIABLE = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105 - a path
TOKEN_VARIABLE = "KF_PIPELINES_TOKEN"  # noqa: S105 - a name
COOKIE_VARIABLE = "KF_PIPELINES_COOKIE"


@dataclass(frozen=True)
class Connection:
    """URL and credentials of Kubeflow's API.

    Attributes:
        host: The API's URL; empty selects the pod's cluster, or a proxy through the kubeconfig's cluster.
        namespace: Profile namespace in multi-user mode; empty selects kfp's own setting.
        token_file: File with a bearer token, read for each request.
        token: Bearer token; may be empty.
        cookie: Session cookie, NAME=VALUE; may be empty.
        ca_cert: CA certificates of the server; None selects the default ones.
    """

    host: str = ""
    namespace: str = ""
    token_file: Path | None = None
    token: str = field(default="", repr=False)
    cookie: str = field(default="", repr=False)
    ca_cert: Path | None = None


def choose_connection(
    host: str | None,
    namespace: str | None,
    token_file: Path | None,
    cookie_file: Path | None,
    ca_cert: Path | None,
    environ: Mapping[str, str] = os.environ,
) -> Connection:
    """Return the connection from options and environment variables.

    A token takes precedence over a cookie, a file over a variable. In a pod the default is the mounted service account
    token.

    Raises:
        KubeflowError: If a file cannot be read, or its content is not a valid header value.
    """
    token, cookie = "", ""
    if token_file:
        _readable_secret(token_file, "token")
    elif cookie_file:
        cookie = _readable_secret(cookie_file, "cookie")
    elif environ.get(TOKEN_VARIABLE):
        token = _sendable(environ[TOKEN_VARIABLE], TOKEN_VARIABLE)
    elif environ.get(COOKIE_VARIABLE):
        cookie = _sendable(environ[COOKIE_VARIABLE], COOKIE_VARIABLE)
    else:
        token_file = _mounted_token(environ)
    if ca_cert and not ca_cert.is_file():
        raise KubeflowError(f"certificates {ca_cert}: no such file")
    return Connection(host or environ.get(HOST_VARIABLE, ""), namespace or "", token_file, token, cookie, ca_cert)


def connect(connection: Connection) -> Client:
    """Connect to Kubeflow and check that it responds.

    Raises:
        KubeflowError: If the URL is unknown, does not respond or is not Kubeflow's, or the credentials are rejected.
    """
    host = _with_scheme(connection.host) if connection.host else _address_in_a_pod()
    if not host and (connection.token or connection.token_file):
        raise KubeflowError(
            f"a token needs Kubeflow's URL, since a kubeconfig has its own token: set --host or {HOST_VARIABLE}"
        )
    given: dict[str, Any] = {
        "host": host or None,
        "existing_token": connection.token or None,
        "cookies": connection.cookie or None,
        "ssl_ca_cert": str(connection.ca_cert) if connection.ca_cert else None,
    }
    if connection.token_file:
        given["credentials"] = _token_of(connection.token_file)
    with warnings.catch_warnings(), redirect_stdout(StringIO()), api_errors("connecting", host):
        warnings.simplefilter("ignore", FutureWarning)
        client = _bounded_client_class()(**given)
        several_users = client.get_kfp_healthz().multi_user
    if several_users and not (connection.namespace or client.get_user_namespace()):
        raise KubeflowError("this Kubeflow is in multi-user mode: set your profile's namespace with --namespace")
    return client


def api_address(client: Client) -> str:
    """Return the URL of a client's server."""
    return str(client._run_api.api_client.configuration.host)


def page_of_run(connection: Connection, run_id: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the URL of a run in the UI; empty if the UI's URL is unknown.

    A browser cannot open the URL used in a pod or through a kubeconfig.
    """
    pages = environ.get(PAGES_VARIABLE) or connection.host
    return f"{_with_scheme(pages).rstrip('/')}/#/runs/details/{run_id}" if pages else ""


def _with_scheme(address: str) -> str:
    return address if address.startswith(("http://", "https://")) else f"https://{address}"


def _address_in_a_pod() -> str:
    """Return the API's URL inside the cluster, as kfp does but with a scheme; empty outside a pod."""
    from kfp import Client
    from kubernetes import client, config

    try:
        config.load_incluster_config(client_configuration=client.Configuration())
    except config.ConfigException:
        return ""
    return f"http://{Client._IN_CLUSTER_DNS_NAME.format(NAMESPACE)}"


def _bounded_client_class() -> type[Client]:
    """Return kfp's client with timeouts and without its five retries and printed tracebacks."""
    import kfp
    from urllib3 import Retry

    class BoundedClient(kfp.Client):  # type: ignore[misc]
        def _load_config(self, *args: Any, **kwargs: Any) -> Any:
            config = super()._load_config(*args, **kwargs)
            if config.host == type(config)().host and not args[0]:
                raise KubeflowError(f"Kubeflow's URL is unknown: set --host or {HOST_VARIABLE}")
            # A redirect leads to a login page, which is not a response of the API.
            config.retries = Retry(0, redirect=False)
            return _staying_at(config, config.host.rstrip("/"))

        def set_user_namespace(self, namespace: str) -> None:
            self._context_setting["namespace"] = namespace  # kfp's own method writes it to the home folder

        def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:  # noqa: ARG002 - kfp's signature
            api = self._healthz_api
            rest = api.api_client.rest_client
            if not hasattr(rest.request, "__wrapped__"):  # kfp's constructor calls this method too
                rest.request = _bounded(rest.request)
            return api.healthz_service_get_healthz()

    return BoundedClient


def _token_of(path: Path) -> Any:
    """Return credentials that read the token for each request, since it rotates.

    kfp's own accept only UTF-8.
    """
    from kfp.client.token_credentials_base import TokenCredentialsBase

    class TokenFile(TokenCredentialsBase):  # type: ignore[misc]
        def refresh_api_key_hook(self, config: Any) -> None:
            config.api_key["authorization"] = _readable_secret(path, "token")

    return TokenFile()


def _staying_at(config: Any, host: str) -> Any:
    """Keep a configuration's host when a kubeconfig's hook refreshes the token.

    The hook resets the host to the cluster's, without the path that kfp adds to proxy requests to Kubeflow.
    """
    config.host = host
    renew = config.refresh_api_key_hook

    def renew_and_stay(given: Any) -> None:
        renew(given)
        given.host = host

    if renew:
        config.refresh_api_key_hook = renew_and_stay
    return config


def _bounded(request: Callable[..., Any]) -> Callable[..., Any]:
    """Add timeouts to a request function of kfp_server_api and accept only JSON responses."""
    from kfp_server_api import ApiException

    @wraps(request)
    def bounded(*args: Any, _request_timeout: Any = None, **kwargs: Any) -> Any:
        try:
            response = request(*args, _request_timeout=_request_timeout or api_error_messages.REQUEST_SECONDS, **kwargs)
        except ApiException as error:
            # The caller (api_client.py) decodes the body as UTF-8 even if it is None or not UTF-8.
            error.body = (error.body or b"").decode(errors="replace").encode()
            raise
        kind = response.getheader("content-type", "")
        if "json" not in kind:
            raise NotTheApiError(kind)
        return response

    return bounded


def _mounted_token(environ: Mapping[str, str]) -> Path | None:
    from kfp.client import KF_PIPELINES_SA_TOKEN_PATH

    if named := environ.get(TOKEN_PATH_VARIABLE):
        _readable_secret(Path(named), "token")
        return Path(named)
    mounted = Path(KF_PIPELINES_SA_TOKEN_PATH)
    return mounted if mounted.is_file() else None


def _readable_secret(path: Path, what: str) -> str:
    return _sendable(read_user_text(path, KubeflowError, name=f"{what} file {path}"), f"{what} in {path}")


def _sendable(text: str, where: str) -> str:
    value = text.strip()
    if not value or not value.isascii() or not value.isprintable():
        raise KubeflowError(f"{where}: expected one line of printable ASCII characters")
    return value
