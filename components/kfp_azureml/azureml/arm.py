"""Client of Azure Resource Manager, for metrics, autoscale settings and checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from azure.core import PipelineClient
from azure.core.exceptions import (
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    map_error,
)
from azure.core.pipeline.policies import RetryPolicy, UserAgentPolicy
from azure.core.rest import HttpRequest
from azure.mgmt.core.exceptions import ARMErrorFormat
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

from kfp_azureml.azureml.credentials import credential
from kfp_azureml.azureml.retries import SDK_RETRIES

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

HOST = "https://management.azure.com"


class Arm:
    """A client of Azure Resource Manager. Paths are resource ids, responses are JSON.

    Args:
        client: Authenticates and sends the requests.
    """

    def __init__(self, client: PipelineClient[Any, Any]) -> None:
        self._client = client

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """GET a resource.

        Raises:
            AzureError: If it does not exist or Azure rejects the request.
        """
        return self._send(HttpRequest("GET", f"{HOST}{path}", params=query))

    def pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """GET a list of resources, following its pages.

        Raises:
            AzureError: If Azure rejects the request.
        """
        page = self.get(path, **query)
        while True:
            yield from page.get("value", [])
            if not page.get("nextLink"):
                return
            page = self._send(HttpRequest("GET", page["nextLink"]))

    def put(self, path: str, body: dict[str, Any], **query: str) -> dict[str, Any]:
        """PUT a resource.

        Raises:
            AzureError: If Azure rejects the request.
        """
        return self._send(HttpRequest("PUT", f"{HOST}{path}", params=query, json=body))

    def post(self, path: str, body: dict[str, Any], **query: str) -> dict[str, Any]:
        """POST an action of a resource.

        Raises:
            AzureError: If Azure rejects the request.
        """
        return self._send(HttpRequest("POST", f"{HOST}{path}", params=query, json=body))

    def delete(self, path: str, **query: str) -> None:
        """DELETE a resource; do nothing if it does not exist.

        Raises:
            AzureError: If Azure rejects the request.
        """
        with suppress(ResourceNotFoundError):
            self._send(HttpRequest("DELETE", f"{HOST}{path}", params=query))

    def _send(self, request: HttpRequest) -> dict[str, Any]:
        response = self._client.send_request(request)
        if response.status_code >= 400:
            kinds = {401: ClientAuthenticationError, 404: ResourceNotFoundError, 409: ResourceExistsError}
            map_error(status_code=response.status_code, response=response, error_map=kinds)
            raise HttpResponseError(response=response, error_format=ARMErrorFormat)
        try:
            answer: dict[str, Any] = response.json() if response.content else {}
        except ValueError as error:  # truncated, or a proxy's error page
            raise DecodeError(f"the response is not JSON: {error}", response=response, error=error) from error
        return answer


@contextmanager
def resource_manager() -> Iterator[Arm]:
    """Yield a client of Azure Resource Manager, with the step's credentials.

    Raises:
        CredentialsError: If there are none.
    """
    with _client(credential(), SDK_RETRIES) as client:
        yield Arm(client)


def open_resource_manager(identity: TokenCredential, retries: Mapping[str, Any], **transport: Any) -> Arm:
    """Return a client of Azure Resource Manager that stays open as long as the process.

    Args:
        identity: Signs the requests.
        retries: Settings of azure-core's RetryPolicy.
        transport: Settings of the requests, such as `read_timeout` in seconds.
    """
    return Arm(_client(identity, retries, **transport))


def _client(identity: TokenCredential, retries: Mapping[str, Any], **transport: Any) -> PipelineClient[Any, Any]:
    sign = ARMChallengeAuthenticationPolicy(identity, f"{HOST}/.default")
    policies = [UserAgentPolicy("kfp-azureml"), RetryPolicy(**retries), sign]
    return PipelineClient(HOST, policies=policies, **transport)
