"""Send one image to a live endpoint of the Azure ML emulator: ask.py ENDPOINT."""

from __future__ import annotations

import base64
import sys

import httpx

from kfp_azureml.azureml.rollout.endpoint import scoring_key
from kfp_azureml.azureml.workspace import workspace_client

BLACK = base64.b64encode(bytes(28 * 28)).decode()


def main(endpoint: str) -> None:
    """Print the response; fail without one."""
    client = workspace_client("local", "local")
    address = client.online_endpoints.get(endpoint).scoring_uri
    headers = {"Authorization": f"Bearer {scoring_key(client, endpoint)}"}
    answer = httpx.post(address, json={"images": [BLACK]}, headers=headers, timeout=60)
    answer.raise_for_status()
    (prediction,) = answer.json()["predictions"]
    print(f"{address} answers: {prediction}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
