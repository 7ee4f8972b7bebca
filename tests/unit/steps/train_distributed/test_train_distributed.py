"""The step train_distributed against a double of the Kubernetes API; a fake worker writes what real ones write.

tests/e2e/test_train_distributed.py runs real workers.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kfp_azureml.components import train, train_distributed
from kfp_azureml.engines.api import connect
from kfp_azureml.engines.follow import Limits
from kfp_azureml.engines.train_job import Workers
from kfp_azureml.models.model_folder import Manifest, Tensor, write_manifest
from kfp_azureml.runtime import polling
from kfp_azureml.runtime.errors import DataError, KubeflowError, ModelError, TrainingError
from kfp_azureml.runtime.redaction import redact
from kfp_azureml.steps.train_distributed.storage import Access
from kfp_azureml.steps.train_distributed.train_distributed import Distribution, own_variables, train_in_workers
from kubernetes_api import write_kubeconfig
from kubernetes_workloads import NAMESPACE, Workloads, running_workloads

PARAMETERS = {"epochs": 1, "model_format": "folder", "use_azure_credentials": False}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Workloads]:
    monkeypatch.setattr(polling, "FIRST_SECONDS", 0.005)
    with running_workloads() as workloads:
        path = write_kubeconfig(tmp_path / "kubeconfig", workloads.url, NAMESPACE)
        monkeypatch.setenv("KUBECONFIG", str(path))
        monkeypatch.delenv("KFP_POD_NAME", raising=False)
        workloads.on_create = worker(workloads)
        yield workloads


@pytest.fixture
def distribution(tmp_path: Path) -> Distribution:
    return Distribution(
        Workers(2, "1", "1Gi"), str(tmp_path / "checkpoint"), "ml:1", "", "azcreds", Limits(0, 0), "run", ""
    )


def arguments_of(job: dict[str, Any]) -> dict[str, str]:
    command = job["spec"]["trainer"]["command"]
    assert command[:3] == ["python", "-m", "kfp_azureml.steps.train.worker"]
    return dict(zip(command[3::2], command[4::2], strict=True))


def worker(cluster: Workloads, *, damage: bool = False) -> Callable[[dict[str, Any]], None]:
    def work(job: dict[str, Any]) -> None:
        output = Path(arguments_of(job)["--output"])
        (output / "output_model/assets").mkdir(parents=True)
        (output / "output_model/model.onnx").write_bytes(b"onnx")
        (output / "output_model/assets/more").write_bytes(b"more")
        tensor = Tensor("x", (None, 2, 2, 1), "float32"), Tensor("y", (None, 2), "float32")
        manifest = Manifest("lean", *tensor, "none", ("a", "b"), {"accuracy": 0.5}, {"keras": "3"}, {})
        write_manifest(output / "output_model", manifest)
        if damage:
            (output / "output_model/model.onnx").write_bytes(b"cut")
        (output / "history.html").write_text("<html>")
        (output / "result.json").write_text(json.dumps({"metrics": {"accuracy": 0.5}, "metadata": {"classes": ["a"]}}))
        cluster.set_state(job["metadata"]["name"], "Complete")

    return work


def run(tmp_path: Path, distribution: Distribution, data: str = "/mnt/data", **given: Any) -> dict[str, Any]:
    parameters = {**PARAMETERS, **given.pop("parameters", {})}
    history = tmp_path / "history.html"
    return train_in_workers(
        data, given.pop("store", {}), tmp_path / "model", parameters, distribution, output_history=history, **given
    )


def test_the_parameters_of_training_are_those_of_train() -> None:
    of_train = inspect.signature(train.python_func).parameters
    distributed = inspect.signature(train_distributed.python_func).parameters
    assert set(of_train) <= set(distributed)
    for name, parameter in of_train.items():
        assert distributed[name].annotation == parameter.annotation, name
        if name != "checkpoint":
            assert distributed[name].default == parameter.default, name


def test_an_address_with_a_secret_is_put_into_no_trainjob(
    cluster: Workloads, tmp_path: Path, distribution: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"initial_weights .* has a query or a user") as caught:
        run(tmp_path, distribution, parameters={"initial_weights": "https://weights.example.com/x?sig=hidden"})
    assert "hidden" not in str(caught.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://user:hidden@mlflow.example.com")
    with pytest.raises(DataError, match=r"MLFLOW_TRACKING_URI https://mlflow.example.com: has a query or a user"):
        run(tmp_path, distribution)
    assert cluster.jobs == {}


def test_the_workers_get_the_parameters_and_the_model_comes_back(
    cluster: Workloads, tmp_path: Path, distribution: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
    assert run(tmp_path, distribution) == {"metrics": {"accuracy": 0.5}, "metadata": {"classes": ["a"]}}
    (job,) = cluster.jobs.values()
    given = arguments_of(job)
    checkpoint = str(tmp_path / "checkpoint")
    assert json.loads(given["--parameters"]) == {**PARAMETERS, "checkpoint": checkpoint}
    assert given["--data"] == "/mnt/data"
    assert given["--output"].startswith(f"{checkpoint}/result-")
    trainer = job["spec"]["trainer"]
    assert (trainer["image"], trainer["numNodes"]) == ("ml:1", 2)
    assert {"name": "MLFLOW_TRACKING_URI", "value": "https://mlflow.example.com"} in trainer["env"]
    assert not any("valueFrom" in variable for variable in trainer["env"])
    assert (tmp_path / "model/assets/more").read_bytes() == b"more"
    assert (tmp_path / "history.html").read_text() == "<html>"


def test_a_retry_takes_the_result_of_the_first_attempt(
    cluster: Workloads, tmp_path: Path, distribution: Distribution
) -> None:
    run(tmp_path, distribution)
    again = tmp_path / "again"
    again.mkdir()
    run(again, distribution)
    assert len(cluster.jobs) == 1
    assert (again / "model/model.json").is_file()


def test_another_run_with_the_same_checkpoint_has_its_own_job_and_result(
    cluster: Workloads, tmp_path: Path, distribution: Distribution
) -> None:
    run(tmp_path, distribution)
    again = tmp_path / "again"
    again.mkdir()
    run(again, replace(distribution, pipeline_run_id="other"))
    assert len({arguments_of(job)["--output"] for job in cluster.jobs.values()}) == 2


def test_secrets_reach_the_workers_by_reference_only(
    cluster: Workloads, tmp_path: Path, distribution: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZ_CLIENT_SECRET", "not-for-the-spec")
    params = {"endpoint": "s3.example.com", "secretName": "store", "accessKeyKey": "id", "secretKeyKey": "key"}
    store = {"store_session_info": json.dumps({"Provider": "s3", "Params": params})}
    parameters = {"use_azure_credentials": True}
    run(tmp_path, distribution, "minio://mlpipeline/train", store=store, parameters=parameters)
    (job,) = cluster.jobs.values()
    assert arguments_of(job)["--data"] == "s3://mlpipeline/train"
    env = {variable["name"]: variable for variable in job["spec"]["trainer"]["env"]}
    assert env["AWS_ENDPOINT_URL"]["value"] == "https://s3.example.com"
    reference = {"name": "store", "key": "key", "optional": True}
    assert env["AWS_SECRET_ACCESS_KEY"]["valueFrom"] == {"secretKeyRef": reference}
    assert env["AZ_CLIENT_SECRET"]["valueFrom"]["secretKeyRef"]["name"] == "azcreds"
    assert "not-for-the-spec" not in json.dumps(job)


def test_on_kubeflow_image_run_and_owner_are_those_of_the_steps_pod(
    cluster: Workloads, tmp_path: Path, distribution: Distribution
) -> None:
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "w", "uid": "u"}
    cluster.pods["step"] = {
        "metadata": {
            "name": "step",
            "labels": {"pipeline/runid": "r-1"},
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": {"containers": [{"name": "main", "image": "example.azurecr.io/ml@sha256:1"}]},
    }
    own = replace(distribution, image="", pipeline_run_id="")
    run(tmp_path, own, environ={"KFP_POD_NAME": "step"})
    (job,) = cluster.jobs.values()
    assert job["spec"]["trainer"]["image"] == "example.azurecr.io/ml@sha256:1"
    assert job["metadata"]["labels"]["kfp-azureml/run"] == "r-1"
    assert job["metadata"]["ownerReferences"] == [owner]


def test_outside_of_kubeflow_the_image_has_to_be_named(
    cluster: Workloads, tmp_path: Path, distribution: Distribution
) -> None:
    with pytest.raises(KubeflowError, match="image is empty: set the image of the workers"):
        run(tmp_path, replace(distribution, image=""))


def test_without_a_checkpoint_or_with_unreachable_data_nothing_is_created(
    cluster: Workloads, tmp_path: Path, distribution: Distribution
) -> None:
    with pytest.raises(TrainingError, match="checkpoint is empty; expected a URI or path"):
        replace(distribution, checkpoint="")
    with pytest.raises(DataError, match="input_data 'gs://bucket/train'"):
        run(tmp_path, distribution, "gs://bucket/train")
    assert cluster.requests == []


def test_a_damaged_model_is_refused_and_leaves_no_output(
    cluster: Workloads, tmp_path: Path, distribution: Distribution
) -> None:
    cluster.on_create = worker(cluster, damage=True)
    with pytest.raises(ModelError, match=r"model.onnx: modified"):
        run(tmp_path, distribution)
    assert not (tmp_path / "model").exists()


def test_a_damaged_result_names_its_file(cluster: Workloads, tmp_path: Path, distribution: Distribution) -> None:
    complete = worker(cluster)

    def damage(job: dict[str, Any]) -> None:
        complete(job)
        Path(arguments_of(job)["--output"], "result.json").write_text('{"metrics": 1')

    cluster.on_create = damage
    with pytest.raises(ModelError, match=r"result.json: damaged"):
        run(tmp_path, distribution)


def test_the_step_reads_the_secret_of_the_object_store_as_kubeflows_launcher_does(
    cluster: Workloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    keys = {
        "AWS_ACCESS_KEY_ID": ("store", "id"),
        "AWS_SECRET_ACCESS_KEY": ("store", "key"),
        "AZ_CLIENT_ID": ("az", "a"),
    }
    access = Access({"AWS_ENDPOINT_URL": "http://store:9000"}, keys)
    cluster.secrets["store"] = {"id": "me", "key": "not-for-the-log"}
    expected = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "not-for-the-log"}
    assert own_variables(connect(), access) == access.environ | expected
    assert redact("not-for-the-log") == "***"
    del cluster.secrets["store"]["key"]
    with pytest.raises(DataError, match="secret store of the object store cannot be read: no valid key key"):
        own_variables(connect(), access)
    cluster.no_rights = {"get secrets"}
    with pytest.raises(DataError, match=r"cannot be read: .* forbidden.*; set AWS_ACCESS_KEY_ID"):
        own_variables(connect(), access)
