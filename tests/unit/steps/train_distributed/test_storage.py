"""Addresses that all workers reach, and the access to their stores."""

from __future__ import annotations

import json
import os

import pytest

from kfp_azureml.runtime.errors import DataError
from kfp_azureml.steps.train_distributed.storage import (
    Access,
    artifact_store_access,
    azure_access,
    shared_address,
    variables,
)

# As recorded of Kubeflow Pipelines 2.17.0.
SESSION = {
    "Provider": "minio",
    "Params": {
        "accessKeyKey": "accesskey",
        "disableSSL": "true",
        "endpoint": "seaweedfs.kubeflow:9000",
        "fromEnv": "false",
        "maxRetries": "5",
        "region": "minio",
        "secretKeyKey": "secretkey",
        "secretName": "mlpipeline-minio-artifact",
    },
}


@pytest.mark.parametrize(
    ("address", "shared"),
    [
        ("minio://mlpipeline/v2/a", "s3://mlpipeline/v2/a"),
        ("S3://bucket/a", "S3://bucket/a"),
        ("abfss://c@a.dfs.core.windows.net/x", "abfss://c@a.dfs.core.windows.net/x"),
        ("/mnt/shared/x", "/mnt/shared/x"),
    ],
)
def test_addresses_that_all_pods_reach(address: str, shared: str) -> None:
    assert shared_address("checkpoint", address) == shared


@pytest.mark.parametrize("address", ["gs://bucket/a", "outputs/train", "https://a/b", "oci://a/b", "s3://", ""])
def test_other_addresses_are_refused_with_those_that_work(address: str) -> None:
    with pytest.raises(
        DataError, match=r"checkpoint '.*': the workers are pods of their own; use abfss://, az://, s3:"
    ):
        shared_address("checkpoint", address)


@pytest.mark.parametrize(
    "address",
    [
        "abfss://c@a.dfs.core.windows.net/x?sv=1&sig=hidden",
        "s3://key:hidden@bucket/x",
        "https://user:hidden@mlflow.example.com",
        "gs://bucket/a?sig=hidden",
    ],
)
def test_secrets_in_addresses_are_neither_shown_nor_passed_on(address: str) -> None:
    with pytest.raises(DataError, match="has a query or a user") as caught:
        shared_address("checkpoint", address)
    assert "hidden" not in str(caught.value)


def test_kubeflows_object_store_is_reached_with_its_own_secret() -> None:
    access = artifact_store_access({"store_session_info": json.dumps(SESSION)})
    assert access.environ == {
        "AWS_DEFAULT_REGION": "minio",
        "AWS_ENDPOINT_URL": "http://seaweedfs.kubeflow:9000",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }
    assert access.secrets == {
        "AWS_ACCESS_KEY_ID": ("mlpipeline-minio-artifact", "accesskey"),
        "AWS_SECRET_ACCESS_KEY": ("mlpipeline-minio-artifact", "secretkey"),
    }


def test_amazons_store_with_the_pods_own_identity_needs_its_region_only() -> None:
    session = {"Provider": "s3", "Params": {"fromEnv": "true", "region": "eu-west-1", "endpoint": ""}}
    assert artifact_store_access({"store_session_info": json.dumps(session)}) == Access(
        {"AWS_DEFAULT_REGION": "eu-west-1"}
    )


@pytest.mark.parametrize("session", [None, "", "no JSON", json.dumps({"Provider": "gs"}), {"Provider": "minio"}])
def test_other_stores_need_nothing(session: object) -> None:
    assert artifact_store_access({"store_session_info": session} if session is not None else {}) == Access()


def test_azure_credentials_are_those_of_the_secret_or_none() -> None:
    assert azure_access("azcreds").secrets["AZ_CLIENT_SECRET"] == ("azcreds", "AZ_CLIENT_SECRET")
    assert azure_access("") == Access()
    both = Access({"A": "1"}, {"B": ("s", "b")}) | azure_access("azcreds")
    assert both.environ == {"A": "1"}
    assert set(both.secrets) > {"B"}


def test_variables_are_set_in_the_block_only_and_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_ALREADY", "mine")
    with variables({"SET_ALREADY": "other", "NEW_ONE": "1"}):
        assert (os.environ["SET_ALREADY"], os.environ["NEW_ONE"]) == ("mine", "1")
    assert os.environ["SET_ALREADY"] == "mine"
    assert "NEW_ONE" not in os.environ
