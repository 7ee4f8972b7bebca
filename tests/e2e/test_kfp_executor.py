"""Every component in kfp's own executor, with the inputs of Kubeflow and of Azure ML's jobs."""

import base64
import json
import struct
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kfp import dsl
from kfp.dsl import Artifact, Input, Output

from azureml_emulator import EmulatorInfo
from kfp_azureml import components
from launched_steps import RECORDED, AzureMLSteps, KubeflowSteps, Step, Steps, compiled, kubeflow_input, stored

NO_TYPE: Mapping[str, Any] = {}
EMPTY_TYPE = {"type": {"instanceSchema": ""}}

python = dsl.component(base_image="python:3.11", install_kfp_package=False)


@python
def write_json(file: Output[Artifact]) -> None:
    from pathlib import Path

    Path(file.path).write_text('{"x": 1}')


@python
def write_notebook(file: Output[Artifact]) -> None:
    from pathlib import Path

    Path(file.path).write_text("# Databricks notebook source\ndbutils.notebook.exit('finished')\n")


@python
def write_code(code: Output[Artifact]) -> None:
    import sys
    from pathlib import Path

    from kfp_azureml.azureml.rollout.environment import SERVING_FOLDER

    folder = Path(code.path)
    folder.mkdir()
    (folder / "score.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    return {}\n")
    conda = (SERVING_FOLDER / "conda.yaml").read_text()
    this_python = f"python={sys.version_info.major}.{sys.version_info.minor}"
    (folder / "conda.yaml").write_text(conda.replace("python=3.11", this_python))


def write_images(folder: Path) -> Path:
    """Write 200 training and 40 test images of two classes as idx files."""
    random = np.random.default_rng(0)
    for subset, count in (("train", 200), ("t10k", 40)):
        labels = random.integers(0, 2, count, dtype=np.uint8)
        images = random.integers(0, 128, (count, 8, 8), dtype=np.uint8) + 100 * labels[:, None, None]
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (folder / f"{subset}-{kind}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())
    return folder


class Suite:
    """The suite's components on a platform: each property runs one with the outputs of earlier ones.

    Optional artifacts are passed in some runs and omitted in others.

    Attributes:
        given: Names of input artifacts of each run, by component.
    """

    def __init__(self, steps: Steps, workspace: Mapping[str, str], images: Path, name: str) -> None:
        self.steps, self.workspace, self.images, self.name = steps, workspace, images, name
        self.given: dict[str, list[set[str]]] = defaultdict(list)

    def run(self, component: Any, values: Mapping[str, Any], **artifacts: Any) -> Step:
        self.given[component.name.replace("-", "_")].append(set(artifacts))
        return self.steps.run(component, values, artifacts)

    @cached_property
    def json_file(self) -> Any:
        return self.run(write_json, {}).artifacts["file"]

    @cached_property
    def aml_preflight(self) -> Step:
        names = {"model_name": self.name, "endpoint_name": f"{self.name}-live", "data_version": "v1", "run_id": "run"}
        return self.run(components.aml_preflight, {**names, **self.workspace})

    @cached_property
    def prep(self) -> Step:
        values = {"input_data": str(self.images), "class_names": ["dark", "bright"]}
        return self.run(components.prep, {**values, "data_version": self.aml_preflight.values["data_version"]})

    @cached_property
    def train(self) -> Step:
        return self.run(components.train, {"epochs": 1}, input_data=self.prep.artifacts["training_data"])

    @cached_property
    def score(self) -> Step:
        model, images = self.train.artifacts["output_model"], self.prep.artifacts["test_data"]
        return self.run(components.score, {}, input_data=images, input_model=model)

    @cached_property
    def quality_gate(self) -> Step:
        accuracy = float(self.score.values["Output"])
        return self.run(components.quality_gate, {"accuracy": accuracy, "min_accuracy": 0.0})

    @cached_property
    def aml_register_model(self) -> Step:
        values = {"model_name": self.name, "run_id": "run", "tags": {"by": "me"}, **self.workspace}
        model, scored = self.train.artifacts["output_model"], self.score.artifacts["output_result"]
        self.run(components.aml_register_model, {**values, "model_name": f"{self.name}-unscored"}, model=model)
        return self.run(components.aml_register_model, values, model=model, score_result=scored, params=self.json_file)

    @cached_property
    def aml_deploy_model(self) -> Step:
        of = {name: self.aml_register_model.values[output] for name, output in MODEL.items()}
        values = {**of, "endpoint_name": f"{self.name}-live", "soak_seconds": 1, "run_id": "run", **self.workspace}
        live = self.run(components.aml_deploy_model, values, score_result=self.score.artifacts["output_result"])
        code = self.run(write_code, {}).artifacts["code"]
        own = {**values, "deployment_name": "own", "conda_file": "conda.yaml"}
        self.run(components.aml_deploy_model, own, code=code, request=self.json_file)
        return live

    @cached_property
    def aml_download_model(self) -> Step:
        of = {name: self.aml_register_model.values[output] for name, output in MODEL.items()}
        return self.run(components.aml_download_model, {**of, **self.workspace})

    @cached_property
    def aml_live_model(self) -> Step:
        live = self.run(components.aml_live_model, {"model_id": self.aml_register_model.values["id"], **self.workspace})
        self.run(
            components.score,
            {},
            input_data=self.prep.artifacts["test_data"],
            input_model=self.train.artifacts["output_model"],
            live_model=live.artifacts["model"],
        )
        return live

    @cached_property
    def aml_reconcile(self) -> Step:
        return self.run(components.aml_reconcile, {"run_id": "run", **self.workspace})

    @cached_property
    def databricks_import_workspace_item(self) -> Step:
        content = base64.b64encode(b"# Databricks notebook source\ndbutils.notebook.exit('done')\n").decode()
        values = {"path": self.notebook, "language": "PYTHON"}
        self.run(components.databricks_import_workspace_item, {**values, "content": content})
        file = self.run(write_notebook, {}).artifacts["file"]
        return self.run(components.databricks_import_workspace_item, values, item=file)

    @cached_property
    def databricks_submit_run(self) -> Step:
        path = self.databricks_import_workspace_item.values["object_path"]
        values = {"notebook_task": {"notebook_path": path}, "new_cluster": MACHINE, "pipeline_run_id": self.name}
        return self.run(components.databricks_submit_run, values)

    @cached_property
    def databricks_create_job(self) -> Step:
        path = self.databricks_import_workspace_item.values["object_path"]
        values = {"job_name": self.name, "notebook_task": {"notebook_path": path}, "new_cluster": MACHINE}
        return self.run(components.databricks_create_job, values)

    @cached_property
    def databricks_run_job(self) -> Step:
        values = {"job_id": self.databricks_create_job.values["job_id"], "pipeline_run_id": self.name}
        return self.run(components.databricks_run_job, values)

    @cached_property
    def databricks_create_cluster(self) -> Step:
        return self.run(components.databricks_create_cluster, {"cluster_name": self.name, **MACHINE})

    @cached_property
    def databricks_create_secret_scope(self) -> Step:
        return self.run(components.databricks_create_secret_scope, {"scope_name": self.name})

    @cached_property
    def databricks_upload_file(self) -> Step:
        values = {"path": f"/Volumes/main/default/landing/{self.name}.json"}
        self.run(components.databricks_upload_file, {**values, "data": base64.b64encode(b"{}").decode()})
        return self.run(components.databricks_upload_file, values, file=self.json_file)

    @cached_property
    def databricks_delete_run(self) -> Step:
        return self.run(components.databricks_delete_run, {"run_id": self.databricks_submit_run.values["run_id"]})

    @cached_property
    def databricks_delete_job(self) -> Step:
        assert self.databricks_run_job
        return self.run(components.databricks_delete_job, {"job_name": self.name})

    @cached_property
    def databricks_delete_cluster(self) -> Step:
        values = {"cluster_id": self.databricks_create_cluster.values["cluster_id"]}
        return self.run(components.databricks_delete_cluster, values)

    @cached_property
    def databricks_delete_secret_scope(self) -> Step:
        values = {"scope_name": self.databricks_create_secret_scope.values["secretscope_name"]}
        return self.run(components.databricks_delete_secret_scope, values)

    @cached_property
    def databricks_delete_workspace_item(self) -> Step:
        assert self.databricks_delete_run
        assert self.databricks_delete_job
        return self.run(components.databricks_delete_workspace_item, {"path": self.notebook})

    @cached_property
    def databricks_delete_file(self) -> Step:
        values = {"path": self.databricks_upload_file.values["file_info_path"]}
        return self.run(components.databricks_delete_file, values)

    @cached_property
    def databricks_reconcile(self) -> Step:
        return self.run(components.databricks_reconcile, {"pipeline_run_id": self.name})

    @property
    def notebook(self) -> str:
        return f"/Workspace/Shared/{self.name}"


MODEL = {"model_name": "name", "model_version": "version"}
MACHINE = {"spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_D4ds_v5", "num_workers": 1}


@pytest.fixture(scope="module", params=["kubeflow", "azureml"])
def suite(request: pytest.FixtureRequest, emulator: EmulatorInfo, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    folder = tmp_path_factory.mktemp(request.param)
    kubeflow = request.param == "kubeflow"
    steps = (
        KubeflowSteps(folder, emulator.environment, NO_TYPE) if kubeflow else AzureMLSteps(folder, emulator.environment)
    )
    workspace = {"resource_group": emulator.resource_group, "workspace": emulator.workspace}
    return Suite(steps, workspace, write_images(tmp_path_factory.mktemp("images")), f"by-{request.param}")


# test_train_distributed.py runs the one that needs a cluster.
@pytest.mark.parametrize("name", sorted(set(components.__all__) - {"train_distributed"}))
def test_a_component_runs_to_its_end_with_its_optional_artifacts_and_without(suite: Suite, name: str) -> None:
    # A new component needs a case in the class above.
    step = getattr(suite, name)
    definition = compiled(getattr(components, name))
    assert step.values.keys() == definition.parameters("outputs").keys()
    assert step.artifacts.keys() == definition.artifacts("outputs").keys()
    for artifact, about in definition.artifacts("inputs").items():
        given = {artifact in names for names in suite.given[name]}
        assert given == ({True, False} if about.get("isOptional") else {True}), artifact


def test_what_came_in_has_its_effect(suite: Suite) -> None:
    assert suite.quality_gate.values["Output"] == "accepted"
    assert suite.aml_register_model.values["name"] == suite.name
    assert suite.aml_deploy_model.values["scoring_uri"].startswith("https://")
    assert suite.databricks_submit_run.values["notebook_output_result"] == "finished"


@python
def look(required: Input[Artifact], optional: Input[Artifact] = None) -> str:
    from pathlib import Path

    texts = [Path(artifact.path).read_text() for artifact in (required, optional) if artifact]
    assert required.metadata["words"] == {"list": ["a", "b"]}
    assert required.metadata["counts"] == {"struct": {"a": 1}}
    return " ".join(texts)


@python
def describe(file: Output[Artifact]) -> None:
    from pathlib import Path

    Path(file.path).write_text("described")
    file.metadata.update(words=["a", "b"], counts={"a": 1})


@pytest.mark.parametrize("untyped", [NO_TYPE, EMPTY_TYPE], ids=["no type", "empty type"])
def test_an_artifact_without_a_type_arrives_in_both_forms_that_were_recorded(
    tmp_path: Path, untyped: Mapping[str, Any]
) -> None:
    steps = KubeflowSteps(tmp_path, {}, untyped)
    described = steps.run(describe, {}, {}).artifacts["file"]
    assert steps.run(look, {}, {"required": described}).values == {"Output": "described"}
    both = steps.run(look, {}, {"required": described, "optional": described})
    assert both.values == {"Output": "described described"}


def test_the_launchers_double_writes_what_was_recorded() -> None:
    recorded = json.loads(RECORDED.read_text())
    for name, parameter in recorded["outputs"]["parameters"].items():
        # The launcher's own folder, for OutputPath parameters only.
        assert parameter == {"outputFile": f"/tmp/kfp/outputs/{name}"}
        parameter["outputFile"] = f"/minio/mlpipeline/v2/artifacts/pipeline/run/register/3/{name}"
    artifacts = {
        name: stored({**artifact, "name": artifact["metadata"]["display_name"], "metadata": as_reported(artifact)})
        for name, (artifact,) in ((name, one["artifacts"]) for name, one in recorded["inputs"]["artifacts"].items())
    }
    values = {"model_name": "fashion-mnist", "run_id": "run", "resource_group": "local", "workspace": "local"}
    values["model_type"] = "custom_model"  # the default when it was recorded
    root = "mlpipeline/v2/artifacts/pipeline/run/register/3"
    given = kubeflow_input(compiled(components.aml_register_model), values, artifacts, Path("/minio"), root)
    assert given == recorded


def as_reported(artifact: Mapping[str, Any]) -> dict[str, Any]:
    """Return an artifact's metadata as the component wrote it, from the driver's form."""
    given = dict(artifact["metadata"])
    del given["display_name"], given["store_session_info"]
    return {name: next(iter(value.values())) if isinstance(value, dict) else value for name, value in given.items()}
