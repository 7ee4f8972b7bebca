"""A user's program: azure-ai-ml registers, deploys, scores and deletes a model.

It runs in a process of its own, with the environment that leads to the emulator, and prints what it saw as JSON.
"""

import json
import os
import sys
from pathlib import Path

import httpx
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential

ENDPOINT = "digits"


def main(folder: Path, resource_group: str, workspace: str) -> dict[str, object]:
    credential = ClientSecretCredential(
        os.environ["AZ_TENANT_ID"], os.environ["AZ_CLIENT_ID"], os.environ["AZ_CLIENT_SECRET"]
    )
    client = MLClient(credential, os.environ["AZ_SUBSCRIPTION_ID"], resource_group, workspace, enable_telemetry=False)
    seen: dict[str, object] = {"workspace": client.workspaces.get(workspace).name}
    seen["datastore"] = client.datastores.get_default().name
    seen["compute"] = client.compute.get("cpu-cluster").type

    models = [
        client.models.create_or_update(
            Model(name="echo", path=folder / "model", type="custom_model", tags={"n": str(n)})
        )
        for n in range(2)
    ]
    seen["versions"] = [model.version for model in models]
    seen["latest"] = client.models.get("echo", label="latest").version
    client.models.archive("echo", "1")
    seen["active"] = [model.version for model in client.models.list("echo")]
    client.models.download("echo", "2", download_path=folder / "downloaded")
    seen["downloaded"] = sorted(str(path.relative_to(folder)) for path in (folder / "downloaded").rglob("*.txt"))
    try:
        client.models.create_or_update(Model(name="echo", version="2", path=folder / "code", type="custom_model"))
    except HttpResponseError as error:
        seen["changed version"] = error.status_code

    environment = client.environments.create_or_update(
        Environment(name="scoring", version="1", image="any/inference-image", conda_file=folder / "conda.yaml")
    )
    client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=ENDPOINT, auth_mode="key")).result()

    def deploy(name: str, **variables: str) -> None:
        client.online_deployments.begin_create_or_update(
            ManagedOnlineDeployment(
                name=name,
                endpoint_name=ENDPOINT,
                model=models[1].id,
                environment=environment.id,
                code_configuration=CodeConfiguration(code=str(folder / "code"), scoring_script="score.py"),
                environment_variables=variables,
                instance_type="Standard_DS3_v2",
                instance_count=1,
            )
        ).result()

    deploy("blue", COLOUR="blue")
    endpoint = client.online_endpoints.get(ENDPOINT)
    seen["traffic before"] = endpoint.traffic
    endpoint.traffic = {"blue": 100}
    endpoint = client.online_endpoints.begin_create_or_update(endpoint).result()
    seen["traffic"] = endpoint.traffic

    keys = client.online_endpoints.get_keys(ENDPOINT)

    def ask(key: str, body: object, **headers: str) -> httpx.Response:
        headers["authorization"] = f"Bearer {key}"
        return httpx.post(endpoint.scoring_uri, json=body, headers=headers, timeout=120)

    answer = ask(keys.primary_key, {"hello": "world"})
    seen["answer"] = [answer.status_code, answer.json(), answer.headers["azureml-model-deployment"]]
    seen["model error"] = ask(keys.secondary_key, "fail").status_code
    seen["wrong key"] = ask("wrong", {}).status_code
    seen["no such deployment"] = ask(keys.primary_key, {}, **{"azureml-model-deployment": "red"}).status_code
    seen["log"] = "hello from init" in client.online_deployments.get_logs("blue", ENDPOINT, lines=100)

    try:
        deploy("green", FAIL_IN_INIT="yes")
    except HttpResponseError as error:
        seen["crash"] = "ResourceNotReady" in str(error)
    seen["crash log"] = "no luck in init" in client.online_deployments.get_logs("green", ENDPOINT, lines=100)
    try:
        deploy("green", COLOUR="green")
    except HttpResponseError as error:
        seen["put over it"] = "failed during initial provisioning" in str(error)
    client.online_deployments.begin_delete("green", ENDPOINT).result()
    deploy("green", COLOUR="green")
    seen["green"] = ask(keys.primary_key, {}, **{"azureml-model-deployment": "green"}).json()["colour"]

    client.online_endpoints.begin_regenerate_keys(ENDPOINT, key_type="primary").result()
    seen["old key"] = ask(keys.primary_key, {}).status_code
    try:
        client.online_deployments.begin_delete("blue", ENDPOINT).result()
    except HttpResponseError as error:
        seen["delete live deployment"] = error.error.code
    client.online_endpoints.begin_delete(ENDPOINT).result()
    try:
        client.online_endpoints.get(ENDPOINT)
    except ResourceNotFoundError as error:
        seen["deleted"] = error.status_code
    return seen


if __name__ == "__main__":
    Path(sys.argv[4]).write_text(json.dumps(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))
