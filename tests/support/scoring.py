"""Asking a live deployment, as any client would."""

import httpx

from kfp_azureml.aml_deploy_model.deploy import DeployedModel
from kfp_azureml.aml_deploy_model.endpoint import scoring_key


def ask(client, live: DeployedModel, body) -> httpx.Response:
    headers = {"Authorization": f"Bearer {scoring_key(client, live.endpoint_name)}"}
    return httpx.post(live.scoring_uri, json=body, headers=headers, timeout=300)
