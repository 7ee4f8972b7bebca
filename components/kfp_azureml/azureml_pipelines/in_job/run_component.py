"""Run a KFP v2 Python component as an Azure ML job, as Kubeflow's launcher and kfp.local do.

It makes kfp's executor input from the job's inputs and outputs, runs the component's command, and passes on the results
of kfp's executor. It uses only the standard library and supports the same Python versions as kfp, since it runs in the
component's image.

In Azure ML an artifact is a folder that contains the artifact itself, a file or folder, and `kfp.json` with its type
and metadata. A folder without `kfp.json` is itself the artifact.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from job_text import PARAMETER, decode
from output_values import write_values

Json = dict[str, Any]

DEFINITION = "azureml.json"
"""File with the component: inputs and outputs as KFP defines them, and the command."""
ARTIFACT_FILE = "kfp.json"
SUFFIXES = {"system.HTML": ".html", "system.Markdown": ".md"}
"""File name suffixes by which Azure ML studio renders an artifact."""

PLACEHOLDERS = {
    "{{$.pipeline_job_uuid}}": ("AZUREML_ROOT_RUN_ID", "AZUREML_RUN_ID"),
    "{{$.pipeline_job_name}}": ("AZUREML_ROOT_RUN_ID", "AZUREML_RUN_ID"),
    "{{$.pipeline_job_resource_name}}": ("AZUREML_ROOT_RUN_ID", "AZUREML_RUN_ID"),
    "{{$.pipeline_task_uuid}}": ("AZUREML_RUN_ID",),
    "{{$.pipeline_task_name}}": ("AZUREML_RUN_ID",),
}


def executor_input(definition: Json, inputs: dict[str, str], outputs: dict[str, str], task_root: Path) -> Json:
    """Return the input of kfp's executor: values and artifacts.

    Args:
        definition: The component.
        inputs: Paths of the input folders by name, without missing optional ones.
        outputs: Paths of the outputs by name.
        task_root: Folder for the files of kfp's executor.
    """
    wanted, made = definition.get("inputDefinitions", {}), definition.get("outputDefinitions", {})
    return {
        "inputs": {
            "parameterValues": dict(_values(wanted.get("parameters", {}))),
            "artifacts": {
                name: {"artifacts": [_input_artifact(name, artifact, Path(inputs[name]))]}
                for name, artifact in wanted.get("artifacts", {}).items()
                if name in inputs
            },
        },
        "outputs": {
            "parameters": {
                name: {"outputFile": str(task_root / "parameters" / name)} for name in made.get("parameters", {})
            },
            "artifacts": {
                name: {"artifacts": [_output_artifact(name, artifact, Path(outputs[name]))]}
                for name, artifact in made.get("artifacts", {}).items()
            },
            "outputFile": str(task_root / "executor_output.json"),
        },
    }


def _values(parameters: Json) -> Iterator[tuple[str, object]]:
    for name, wanted in parameters.items():
        kind = wanted["parameterType"]
        literal = os.environ.get(f"{PARAMETER}{name}")
        # In Azure ML an empty text means that an optional value is missing.
        if literal or (literal is not None and not wanted.get("isOptional")):
            yield name, _value(decode(literal), kind)
        elif "defaultValue" in wanted:
            # In the compiled pipeline 10 may be written as 10.0.
            default = wanted["defaultValue"]
            yield name, int(default) if kind == "NUMBER_INTEGER" else default


def _value(text: str, kind: str) -> object:
    """Return an input's value; Azure ML writes 10 as 10 or 10.0, and true as True."""
    if kind == "STRING":
        return _filled_in(text)
    if kind == "NUMBER_INTEGER":
        return int(text) if text.lstrip("+-").isdecimal() else int(float(text))
    if kind == "NUMBER_DOUBLE":
        return float(text)
    return json.loads(text.lower() if kind == "BOOLEAN" else text)


def _filled_in(text: str) -> str:
    for placeholder, variables in PLACEHOLDERS.items():
        if placeholder in text:
            value = next((os.environ[name] for name in variables if os.environ.get(name)), "")
            text = text.replace(placeholder, value)
    return text


def _input_artifact(name: str, artifact: Json, folder: Path) -> Json:
    described = folder / ARTIFACT_FILE
    if not described.is_file():
        return {"name": name, "type": artifact["artifactType"], "uri": str(folder), "metadata": {}}
    known = json.loads(described.read_text())
    return {"name": name, "type": known["type"], "uri": str(folder / known["path"]), "metadata": known["metadata"]}


def _output_artifact(name: str, artifact: Json, folder: Path) -> Json:
    kind = artifact["artifactType"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}{SUFFIXES.get(kind.get('schemaTitle'), '')}"
    return {"name": name, "type": kind, "uri": str(path), "metadata": {}}


def describe_artifacts(definition: Json, outputs: dict[str, str], reported: Json) -> None:
    """Write `kfp.json` with the type and metadata of each artifact."""
    for name, artifact in definition.get("outputDefinitions", {}).get("artifacts", {}).items():
        folder = Path(outputs[name])
        said = reported.get("artifacts", {}).get(name, {}).get("artifacts", [{}])[0]
        path = _output_artifact(name, artifact, folder)["uri"]
        known = {"type": artifact["artifactType"], "path": Path(path).name, "metadata": said.get("metadata", {})}
        (folder / ARTIFACT_FILE).write_text(json.dumps(known, indent=2) + "\n")


def output_parameters(definition: Json, given: Json, reported: Json) -> dict[str, object]:
    """Return the output parameters that the component returned or wrote to its OutputPath files."""
    values = dict(reported.get("parameterValues", {}))
    for name, parameter in definition.get("outputDefinitions", {}).get("parameters", {}).items():
        written = Path(given["outputs"]["parameters"][name]["outputFile"])
        if written.is_file():
            text = written.read_text()
            values[name] = text if parameter["parameterType"] == "STRING" else _value(text, parameter["parameterType"])
    return values


def is_first_worker() -> bool:
    """Tell whether this process has the results: of a distribution's workers only the first."""
    config = json.loads(os.environ.get("TF_CONFIG") or "{}")
    return bool(config.get("task", {}).get("index", 0) == 0)


def run(command: list[str]) -> int:
    """Run the component, forward signals to it, and return its exit code."""
    try:
        child = subprocess.Popen(command, env={**os.environ, "_KFP_RUNTIME": "true"})
    except OSError as error:
        # The values are too long in total, or the image lacks the command.
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    return child.wait()


def main() -> None:
    """Run the component described in `azureml.json` next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--outputs", nargs="*", default=[], metavar="NAME=PATH")
    arguments = parser.parse_args()
    inputs, outputs = (
        dict(pair.partition("=")[::2] for pair in pairs) for pairs in (arguments.inputs, arguments.outputs)
    )
    definition = json.loads((Path(__file__).parent / DEFINITION).read_text())
    container = definition["container"]
    os.environ.update({variable["name"]: variable["value"] for variable in container.get("env", [])})
    with tempfile.TemporaryDirectory(prefix="kfp-") as task_root:
        given = executor_input(definition, inputs, outputs, Path(task_root))
        command = [
            json.dumps(given) if word == "{{$}}" else word
            for word in (*container["command"], *container.get("args", []))
        ]
        code = run(command)
        if code != 0:
            # As in a shell: 128 plus the signal's number.
            sys.exit(code if code > 0 else 128 - code)
        if not is_first_worker():
            return
        output_file = Path(given["outputs"]["outputFile"])
        reported = json.loads(output_file.read_text()) if output_file.is_file() else {}
        describe_artifacts(definition, outputs, reported)
        write_values(output_parameters(definition, given, reported), outputs)


if __name__ == "__main__":
    main()
