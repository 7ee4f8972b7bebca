"""Requests to the Kubernetes API: JSON over HTTPS, with timeouts and retries.

The images have no Kubernetes client, which would add 31 MB and .3 s of CPU a step for six kinds of requests. A pod's
credentials are three files. Outside of pods the client is installed, and loads the kubeconfig.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfp_azureml.engines.api_errors import ApiError
from kfp_azureml.engines.kubeconfig import (
    NO_KUBECONFIG,
    SERVICE_ACCOUNT,
    choose_namespace,
    kubeconfig_files,
    load_kubeconfig,
)
from kfp_azureml.engines.retries import retrying
from kfp_azureml.runtime.errors import KubeflowError, first_line
from kfp_azureml.runtime.redaction import add_secret

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS, READ_SECONDS = 10.0, 30.0
"""Timeouts of a request."""


@dataclass(frozen=True)
class Api:
    """The API of a cluster, and a namespace in it.

    Attributes:
        url: The API's URL.
        namespace: The namespace.
        session: The HTTP session, with the certificates.
        authorization: Returns the header of that name, anew for each request, since tokens rotate; empty if a client
            certificate signs in.
    """

    url: str
    namespace: str
    session: requests.Session
    authorization: Callable[[], str]

    def get(self, path: str, for_seconds: float | None = None, **query: str) -> Any:
        """Return a resource or a list of resources.

        Args:
            path: The path, from `/api` or `/apis` on.
            for_seconds: How long transient errors are retried; None selects the default of `retrying`.
            query: Parameters of the URL.

        Raises:
            ApiError: If the server refuses the request.
            KubeflowError: If the server cannot be reached.
        """
        return self._retrying("GET", path, query, for_seconds)

    def text(self, path: str, **query: str) -> str:
        """Return a text, such as a log, for which one attempt is made. Errors are those of `get`."""
        return self._request("GET", path, query).content.decode(errors="replace")

    def create(self, path: str, resource: Mapping[str, Any]) -> Any:
        """Create a resource and return it; the server refuses fields that it does not know.

        A repeated request, whose first response was lost, is refused with the reason AlreadyExists.
        """
        return self._retrying("POST", path, {"fieldValidation": "Strict"}, None, resource)

    def delete(self, path: str, uid: str, for_seconds: float | None = None) -> None:
        """Delete a resource and, in the background, what belongs to it.

        Args:
            path: The resource's path.
            uid: Its UID: a new resource of the same name stays.
            for_seconds: How long transient errors are retried.
        """
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        self._retrying("DELETE", path, {}, for_seconds, options)

    def _retrying(
        self, method: str, path: str, query: Mapping[str, str], for_seconds: float | None, body: Any = None
    ) -> dict[str, Any]:
        return retrying(f"{method} {path}", lambda: _content(self._request(method, path, query, body)), for_seconds)

    def _request(self, method: str, path: str, query: Mapping[str, str], body: Any = None) -> requests.Response:
        """Make a request; raise `ApiError` for a status of 400 or more and for a missing or cut response."""
        import requests

        try:
            response = self.session.request(
                method,
                f"{self.url}{path}",
                params=dict(query),
                json=body,
                headers={"Authorization": self.authorization()} if self.authorization() else {},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                verify=self.session.verify,  # else REQUESTS_CA_BUNDLE, which is for Azure, would replace it
            )
        except requests.RequestException as error:
            if isinstance(error, requests.exceptions.SSLError):
                raise KubeflowError(f"cluster at {self.url}: its certificate is not trusted: {_cause(error)}") from None
            raise ApiError(0, "NoResponse", _cause(error)) from None
        if not response.ok or response.is_redirect:
            raise ApiError.of(response)
        return response


def connect(namespace: str = "", context: str | None = None, environ: Mapping[str, str] = os.environ) -> Api:
    """Return the API of the kubeconfig's cluster, or of the pod's, without a request to it.

    Args:
        namespace: The namespace; empty selects that of the kubeconfig's context or of the pod.
        context: Context of the kubeconfig; None selects the current one.
        environ: The environment variables.

    Raises:
        KubeflowError: If there is neither, or the kubeconfig cannot be read.
    """
    import requests

    chosen = choose_namespace(context, namespace or None, environ)
    session = requests.Session()
    if files := kubeconfig_files(environ):
        return _of_kubeconfig(files, context, chosen, session)
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not (host and port):
        raise KubeflowError(NO_KUBECONFIG)
    if not (SERVICE_ACCOUNT / "token").is_file():
        raise KubeflowError("this pod has no service account token: set automountServiceAccountToken to true")
    session.trust_env = False  # a pod reaches its API server directly, whatever proxy Azure needs
    session.verify = str(SERVICE_ACCOUNT / "ca.crt")
    return Api(f"https://{f'[{host}]' if ':' in host else host}:{port}", chosen, session, _mounted_token)


def _of_kubeconfig(files: str, context: str | None, namespace: str, session: requests.Session) -> Api:
    from kubernetes.client import Configuration

    configuration = Configuration()
    load_kubeconfig(files, context, configuration)
    session.verify = configuration.ssl_ca_cert or True if configuration.verify_ssl else False
    if configuration.cert_file:
        session.cert = (configuration.cert_file, configuration.key_file)
    # Runs the kubeconfig's credential plugin again when the token has expired.
    return Api(
        configuration.host.rstrip("/"),
        namespace,
        session,
        lambda: configuration.get_api_key_with_prefix("authorization") or "",
    )


def _content(response: requests.Response) -> dict[str, Any]:
    """Return a response's object, without fields that are null, which mean the same as none."""
    try:
        content = json.loads(response.content, object_hook=_without_nulls)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ApiError(0, "NoResponse", "the answer is not Kubernetes': a proxy's, or of another server")
    return content


def _without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _mounted_token() -> str:
    token = (SERVICE_ACCOUNT / "token").read_text().strip()
    add_secret(token)
    return f"Bearer {token}"


def _cause(error: BaseException) -> str:
    """Return the reason of a failed connection, without urllib3's repr of the pool."""
    reason = getattr(error.args[0] if error.args else error, "reason", error)
    return first_line(reason).rpartition(": ")[2] or type(error).__name__
