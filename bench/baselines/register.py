"""The bare SDK call that registers a folder as a model. Usage: register.py FOLDER NAME RESOURCE_GROUP WORKSPACE."""

import os
import sys

from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from azure.identity import ClientSecretCredential


def main() -> None:
    """Register."""
    folder, name, resource_group, workspace = sys.argv[1:]
    credential = ClientSecretCredential(
        os.environ["AZ_TENANT_ID"], os.environ["AZ_CLIENT_ID"], os.environ["AZ_CLIENT_SECRET"]
    )
    client = MLClient(credential, os.environ["AZ_SUBSCRIPTION_ID"], resource_group, workspace)
    client.models.create_or_update(Model(name=name, path=folder, type="custom_model"))


if __name__ == "__main__":
    main()
