"""A client of Azure ML, as a program of its own, in an environment that reaches one: prints how long one call took.

Usage: azureml_client.py RESOURCE_GROUP WORKSPACE list | upload FOLDER
"""

from __future__ import annotations

import os
import sys
import time

from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from azure.identity import ClientSecretCredential


def main() -> None:
    """Make the client's first, small request, then the one that is timed."""
    resource_group, workspace, verb, *folder = sys.argv[1:]
    credential = ClientSecretCredential(
        os.environ["AZ_TENANT_ID"], os.environ["AZ_CLIENT_ID"], os.environ["AZ_CLIENT_SECRET"]
    )
    client = MLClient(credential, os.environ["AZ_SUBSCRIPTION_ID"], resource_group, workspace, enable_telemetry=False)
    next(iter(client.models.list()), None)
    started = time.perf_counter()
    if verb == "list":
        found = sum(1 for _ in client.models.list())
    else:
        found = int(client.models.create_or_update(Model(name="large", path=folder[0], type="custom_model")).version)
    print(time.perf_counter() - started, found)  # noqa: T201 - read by the bench


if __name__ == "__main__":
    main()
