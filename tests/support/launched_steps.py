"""Run single steps as a platform does: the component's compiled command with kfp's own executor.

Outputs of a step can be passed to the next. The inputs have the recorded form of the driver and launcher of Kubeflow
Pipelines 2.17.0 (`recorded_executor_input.json` is one record). Unlike Kubeflow's, the object store is a folder, which
kfp finds instead of /minio, and output parameters are written there too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp import compiler

from azureml_commands import run_command, snapshot
from kfp_azureml.azureml_pipelines.definition import Definition
from kfp_azureml.azureml_pipelines.spec import IN_JOB, component_spec
from kfp_azureml.azureml_pipelines.suite import read_component

Json = dict[str, Any]

MINIO_MOUNT = Path(__file__).parent / "minio_mount"
RECORDED = Path(__file__).with_name("recorded_executor_input.json")
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
POD_LIMITS = {
    "cpu_limit": "500m",
    "memory_limit": "512Mi",
    "pipelinechannel--azure_cpu": "500m",
    "pipelinechannel--azure_memory": "512Mi",
}
"""Limits that are pipeline parameters are inputs of the component too."""
STEP_SECONDS = 600


@dataclass(frozen=True)
class Step:
    """Results of a step.

    Attributes:
        values: Output parameters.
        artifacts: Output artifacts in the platform's form, for the next step.
    """

    values: Mapping[str, Any]
    artifacts: Mapping[str, Any]


@dataclass(frozen=True)
class KubeflowSteps:
    """Steps of one Kubeflow run.

    Attributes:
        folder: The object store.
        environ: Environment variables of the pods.
        untyped: Type of an input artifact: none, or an empty schema in the run's outer DAG.
    """

    folder: Path
    environ: Mapping[str, str]
    untyped: Mapping[str, Any]

    def run(self, component: Any, values: Mapping[str, Any], artifacts: Mapping[str, Json]) -> Step:
        """Run one step and assert that it succeeds."""
        definition = compiled(component)
        given = kubeflow_input(definition, values, self._stored(artifacts), self.folder)
        command = [
            json.dumps(given) if word == "{{$}}" else word
            for word in (*definition.container["command"], *definition.container["args"])
        ]
        python_path = f"{MINIO_MOUNT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        pod = {"PATH": path, "PYTHONPATH": python_path, "MINIO_MOUNT": str(self.folder), "HOME": str(self.folder)}
        done = subprocess.run(
            command, env={**pod, **self.environ}, capture_output=True, text=True, timeout=STEP_SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        reported = json.loads(Path(given["outputs"]["outputFile"]).read_text())
        made = {name: only["artifacts"][0] for name, only in reported.get("artifacts", {}).items()}
        return Step(reported.get("parameterValues", {}), {name: made[name] for name in definition.artifacts("outputs")})

    def _stored(self, artifacts: Mapping[str, Json]) -> dict[str, Json]:
        return {name: stored(artifact) | dict(self.untyped) for name, artifact in artifacts.items()}


def stored(reported: Json) -> Json:
    """Return an artifact in the driver's form, from the report of kfp's executor."""
    metadata = {name: _in_the_store(value) for name, value in reported["metadata"].items()}
    metadata |= {"display_name": reported["name"], "store_session_info": json.dumps(SESSION, separators=(",", ":"))}
    return {"name": "10", "uri": reported["uri"], "metadata": metadata}


def _in_the_store(value: object) -> object:
    kind = {dict: "struct", list: "list"}.get(type(value))
    return {kind: value} if kind else value


def kubeflow_input(
    definition: Definition, values: Mapping[str, Any], artifacts: Mapping[str, Json], folder: Path, root: str = ""
) -> Json:
    """Return the launcher's input for kfp's executor.

    Args:
        definition: The component.
        values: Parameters; others have their defaults.
        artifacts: Input artifacts in the store's form.
        folder: Folder that is mounted for minio://.
        root: The task's folder in it; empty for a new one.
    """
    # On Kubeflow the last part is a UUID; it only has to be unique.
    root = root or f"mlpipeline/v2/artifacts/pipeline/run/{definition.name}/{Path(tempfile.mkdtemp(dir=folder)).name}"
    defaults = {
        name: about["defaultValue"]
        for name, about in definition.parameters("inputs").items()
        if "defaultValue" in about
    }
    outputs = {name: about["artifactType"] for name, about in definition.artifacts("outputs").items()}
    outputs["executor-logs"] = {"schemaTitle": "system.Artifact"}
    inputs: Json = {"parameterValues": {name: _in_go(value) for name, value in {**defaults, **values}.items()}}
    inputs["parameterValues"] |= POD_LIMITS
    if artifacts:
        inputs["artifacts"] = {name: {"artifacts": [artifact]} for name, artifact in artifacts.items()}
    return {
        "inputs": inputs,
        "outputs": {
            "parameters": {
                name: {"outputFile": str(folder / root / name)} for name in definition.parameters("outputs")
            },
            "artifacts": {
                name: {
                    "artifacts": [
                        {
                            "name": name,
                            "type": kind,
                            "uri": f"minio://{root}/{name}{'-0' if name == 'executor-logs' else ''}",
                        }
                    ]
                }
                for name, kind in outputs.items()
            },
            "outputFile": str(folder / root / "output_metadata.json"),
        },
    }


def _in_go(value: object) -> object:
    """Return a number as Go writes it: 1.0 is 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class AzureMLSteps:
    """Steps as jobs of Azure ML: input artifacts are downloaded folders, outputs folders to upload.

    Attributes:
        folder: Folder for all outputs.
        environ: Environment variables of the jobs.
    """

    folder: Path
    environ: Mapping[str, str]

    def run(self, component: Any, values: Mapping[str, Any], artifacts: Mapping[str, Path]) -> Step:
        """Run one step and assert that it succeeds."""
        spec = component_spec(compiled(component))
        folder = Path(tempfile.mkdtemp(prefix=f"{spec.name}-", dir=self.folder))
        code = snapshot(spec.write(folder), IN_JOB, folder / "code")
        outputs = {name: folder / "outputs" / name for name in spec.document.get("outputs", {})}
        declared = spec.document.get("inputs", {})
        inputs = {name: str(about["default"]) for name, about in declared.items() if "default" in about}
        inputs |= {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
        inputs |= {name: str(path) for name, path in artifacts.items()}
        done = run_command(spec.document["command"], code, inputs, outputs, self.environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return Step(
            {name: path.read_text() for name, path in outputs.items() if path.is_file()},
            {name: path for name, path in outputs.items() if path.is_dir()},
        )


Steps = KubeflowSteps | AzureMLSteps


def compiled(component: Any) -> Definition:
    """Compile a component and read it."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "component.yaml"
        compiler.Compiler().compile(component, str(package))
        return read_component(package)
