"""Requests to a live deployment."""

import httpx

from kfp_azureml.azureml.rollout.endpoint import scoring_key
from kfp_azureml.steps.aml_deploy_model.deploy import DeployedModel


def ask(client, live: DeployedModel, body) -> httpx.Response:
    headers = {"Authorization": f"Bearer {scoring_key(client, live.endpoint_name)}"}
    return httpx.post(live.scoring_uri, json=body, headers=headers, timeout=300)
