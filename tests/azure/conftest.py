"""The workspace of the tests: a real one from the environment, or a local Azure ML.

    AZURE_TEST_RESOURCE_GROUP=.. AZURE_TEST_WORKSPACE=.. AZURE_TEST_REGISTRY=.. make test-azure
    make test-azure EMULATOR=1

Credentials: AZ_SUBSCRIPTION_ID with AZ_TENANT_ID, AZ_CLIENT_ID and AZ_CLIENT_SECRET, or `az login`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_place import Place
from azureml_jobs import emulator_with_images
from azureml_traffic import recording
from kfp_azureml.azureml_pipelines.connection import allow_conditions
from kfp_azureml.images import TAG

allow_conditions()  # before a test module imports the SDK
RECORDINGS = Path(os.environ.get("AZURE_TEST_RECORDINGS") or Path(__file__).parents[2] / "dist" / "azure-traffic")


@pytest.fixture(scope="session")
def workspace() -> Iterator[Place]:
    prefix = f"kfpaz{secrets.token_hex(3)}"
    if os.environ.get("AZURE_TEST_EMULATOR"):
        with emulator_with_images() as info, pytest.MonkeyPatch.context() as patch:
            for name, value in info.environment.items():
                patch.setenv(name, value)
            found = Place({"resource_group": info.resource_group, "workspace": info.workspace}, prefix)
            with recording(RECORDINGS / "emulator.jsonl", _stand_ins(found)):
                yield found
        return
    missing = [
        name
        for name in ("AZURE_TEST_RESOURCE_GROUP", "AZURE_TEST_WORKSPACE", "AZURE_TEST_REGISTRY", "AZ_SUBSCRIPTION_ID")
        if not os.environ.get(name)
    ]
    if missing:
        pytest.fail(f"set {', '.join(missing)}, or EMULATOR=1 for the local Azure ML")
    environ = os.environ
    found = Place(
        {"resource_group": environ["AZURE_TEST_RESOURCE_GROUP"], "workspace": environ["AZURE_TEST_WORKSPACE"]},
        prefix,
        registry=environ["AZURE_TEST_REGISTRY"],
        tag=environ.get("AZURE_TEST_TAG", TAG),
        compute=environ.get("AZURE_TEST_COMPUTE", "serverless"),
        instance_type=environ.get("AZURE_TEST_INSTANCE_TYPE", "Standard_DS3_v2"),
    )
    with recording(RECORDINGS / "azure.jsonl", _stand_ins(found)):
        yield found


def _stand_ins(workspace: Place) -> dict[str, str]:
    """Return replacements of names for the recording, longest first."""
    ids = {
        os.environ[f"AZ_{name}"]: name
        for name in ("SUBSCRIPTION_ID", "TENANT_ID", "CLIENT_ID")
        if f"AZ_{name}" in os.environ
    }
    names = {
        **ids,
        workspace.prefix: "PREFIX",
        workspace.registry: "REGISTRY",
        workspace.names["resource_group"]: "GROUP",
        workspace.names["workspace"]: "WORKSPACE",
    }
    return dict(sorted(names.items(), key=lambda pair: -len(pair[0])))
