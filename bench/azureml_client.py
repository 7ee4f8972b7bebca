"""Print the seconds that calls of azure-ai-ml took.

Usage: azureml_client.py RESOURCE_GROUP WORKSPACE list | upload FOLDER | register FOLDER
`list` also prints the number of models; `register` registers the folder twice, as our component does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from azure.identity import ClientSecretCredential

from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.steps.aml_register_model.register import register_model


def main() -> None:
    """Send a first request to warm up, then the timed ones."""
    resource_group, workspace, verb, *folder = sys.argv[1:]
    credential = ClientSecretCredential(
        os.environ["AZ_TENANT_ID"], os.environ["AZ_CLIENT_ID"], os.environ["AZ_CLIENT_SECRET"]
    )
    client = MLClient(credential, os.environ["AZ_SUBSCRIPTION_ID"], resource_group, workspace, enable_telemetry=False)
    next(iter(client.models.list()), None)

    def register() -> object:
        return register_model(
            Path(folder[0]),
            workspace=WorkspaceName(resource_group, workspace, ""),
            model_name="called",
            model_version="",
            model_type="custom_model",
            description="",
            tags={},
            run_id="",
            score_result=None,
            params=None,
        )

    match verb:
        case "list":
            found: list[object] = []
            seconds = _seconds(lambda: found.extend(client.models.list()))
            print(seconds, len(found))  # noqa: T201 - read by the bench
        case "upload":
            model = Model(name="large", path=folder[0], type="custom_model")
            print(_seconds(lambda: client.models.create_or_update(model)))  # noqa: T201
        case "register":
            print(_seconds(register), _seconds(register))  # noqa: T201


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
