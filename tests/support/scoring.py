"""Requests to a live deployment."""

import httpx

from kfp_azureml.azureml.rollout.endpoint import scoring_key
from kfp_azureml.steps.aml_deploy_model.deploy import DeployedModel


def ask(client, live: DeployedModel, body) -> httpx.Response:
    return post(client, live, json=body)


def post(client, live: DeployedModel, headers=None, **body) -> httpx.Response:
    """Send a request with any body that httpx takes: json, content, files."""
    headers = {"Authorization": f"Bearer {scoring_key(client, live.endpoint_name)}", **(headers or {})}
    return httpx.post(live.scoring_uri, headers=headers, timeout=300, **body)


def read_openapi(client, live: DeployedModel, version: str = "") -> httpx.Response:
    """Read the endpoint's OpenAPI document; an empty version leaves the choice to the server."""
    headers = {"Authorization": f"Bearer {scoring_key(client, live.endpoint_name)}"}
    uri = client.online_endpoints.get(live.endpoint_name).openapi_uri
    return httpx.get(uri, params={"version": version} if version else {}, headers=headers, timeout=300)
