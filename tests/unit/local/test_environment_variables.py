"""What of the caller's environment a step gets: what it needs, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kfp_azureml.azcreds import KEYS
from kfp_azureml.compiling.sources import shipped_pipelines
from kfp_azureml.local.environment_variables import (
    azure_variables,
    common_variables,
    package_variables,
    proxy_variables,
    step_variables,
)
from kfp_azureml.local.task_command import Task, read_task

SECRETS = {
    name: f"canary of {name}"
    for name in (
        *KEYS,
        *(
            "AZURE_CLIENT_SECRET",
            "AZURE_CLIENT_ID",
            "AZURE_STORAGE_KEY",
            "AZURE_DEVOPS_EXT_PAT",
            "AZURE_OPENAI_API_KEY",
        ),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "GH_TOKEN", "KF_TOKEN", "KF_PIPELINES_TOKEN"),
        *(
            "DATABRICKS_TOKEN",
            "HF_TOKEN",
            "OPENAI_API_KEY",
            "NPM_TOKEN",
            "TF_VAR_password",
            "TF_TOKEN_app_terraform_io",
        ),
        *("KFP_AZUREML_TOKEN", "KERAS_SECRET", "PYTHON_KEYRING_PASSWORD", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "SSH_AUTH_SOCK", "DOCKER_PASSWORD", "PIP_INDEX_URL", "NETRC"),
    )
}
CALLER = {**SECRETS, "PATH": "/bin", "LC_ALL": "C", "HTTPS_PROXY": "http://p", "all_proxy": "socks5h://p"}


def shipped() -> dict[str, Any]:
    documents = list(yaml.safe_load_all((shipped_pipelines() / "image_classification.yaml").read_text()))
    return documents[1]


def test_nobody_gets_a_secret_just_so() -> None:
    assert common_variables(CALLER) == {"PATH": "/bin", "LC_ALL": "C"}
    assert proxy_variables(CALLER) == {"HTTPS_PROXY": "http://p", "all_proxy": "socks5h://p"}
    assert package_variables(CALLER) == {"PIP_INDEX_URL": "canary of PIP_INDEX_URL"}


@pytest.mark.parametrize(
    ("task", "in_azure"),
    [
        (Task("exec-aml-preflight", "aml_preflight"), True),
        (Task("exec-aml-register-model", "aml_register_model"), True),
        (Task("exec-aml-deploy-model", "aml_deploy_model"), True),
        (Task("exec-aml-reconcile", "aml_reconcile"), True),
        (Task("exec-train", "train", {"use_azure_credentials": False}), False),
        (Task("exec-train", "train", {"checkpoint": "/mnt/x", "use_azure_credentials": True}), True),
        (Task("exec-score", "score"), False),
        (Task("exec-quality-gate", "quality_gate"), False),
        (Task("exec-prep", "prep", {"input_data": "/images", "use_azure_credentials": False}), False),
        (Task("exec-prep", "prep", {"input_data": "https://e/x", "use_azure_credentials": False}), False),
        (Task("exec-prep", "prep", {"input_data": "https://a/x", "use_azure_credentials": True}), True),
        (Task("exec-prep", "prep", {"input_data": "azureml:fashion:1", "use_azure_credentials": False}), True),
    ],
)
def test_credentials_for_azure_go_to_what_acts_there(task: Task, in_azure: bool) -> None:
    given = step_variables(shipped(), azure_variables(CALLER), CALLER).for_task(task)
    assert given == (azure_variables(CALLER) if in_azure else {})
    assert set(given) <= {*KEYS, "AZURE_CLIENT_SECRET", "AZURE_CLIENT_ID"}


@pytest.mark.parametrize(
    ("uri", "names"),
    [
        ("s3://b/x", {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}),
        ("gs://b/x", {"GOOGLE_APPLICATION_CREDENTIALS"}),
        ("az://c/x", {"AZURE_STORAGE_KEY"}),
        ("/local/s3/x", set()),
        ("http://[bad", set()),
    ],
)
def test_an_object_stores_credentials_go_to_who_reads_it(uri: str, names: set[str]) -> None:
    task = Task("exec-prep", "prep", {"input_data": uri, "use_azure_credentials": False})
    assert set(step_variables(shipped(), {}, CALLER).for_task(task)) == names


def test_a_step_gets_what_its_pipeline_takes_from_a_secret() -> None:
    secret = {"keyToEnv": [{"envVar": "HF_TOKEN", "secretKey": "token"}]}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-own": {"secretAsEnv": [secret]}}}}}}
    given = step_variables(platform, azure_variables(CALLER), CALLER)
    assert given.for_task(Task("exec-own")) == {"HF_TOKEN": "canary of HF_TOKEN"}
    assert given.for_task(Task("exec-other")) == {}


def test_train_gets_the_tracking_servers_credentials_where_there_is_one() -> None:
    task = Task("exec-train", "train")
    tracked = {**CALLER, "MLFLOW_TRACKING_URI": "https://mlflow"}
    assert set(step_variables({}, {}, tracked).for_task(task)) == {"MLFLOW_TRACKING_PASSWORD"}
    assert "DATABRICKS_TOKEN" in step_variables({}, {}, {**CALLER, "MLFLOW_TRACKING_URI": "databricks"}).for_task(task)
    assert step_variables({}, {}, tracked).for_task(Task("exec-score", "score")) == {}


def test_a_task_is_read_from_its_command() -> None:
    given = '{"inputs": {"parameterValues": {"epochs": 3}}, "outputs": {}}'
    command = ["sh", "-ec", "x", "--executor_input", given, "--function_to_execute", "train"]
    assert read_task("exec-train-2", command) == Task("exec-train-2", "train", {"epochs": 3})
    assert read_task("exec-train-2", ["true"]).name == "train_2"
