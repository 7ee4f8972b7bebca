"""Translate KFP components to Azure ML component specs.

Python components run through kfp's own executor: the job runs `run_component.py`, which makes kfp's executor input from
the job's inputs and outputs and runs the component's command. So a step has the same body and results on Kubeflow, on a
laptop and on Azure ML. A container component runs its own command (see `container_command`).

Values are not part of a command: Azure ML substitutes `${{inputs.x}}` in the command's text, which a shell then runs.
Jobs read values from environment variables instead, which Azure ML sets too (see `in_job/job_text.py`).

| KFP | Azure ML |
|---|---|
| int, float, bool, str | integer, number, boolean, string |
| list, dict | string, JSON |
| Dataset, Model, Artifact, Metrics, HTML, Markdown ... | uri_folder, with the artifact and `kfp.json` in it |
| default | default; none if it is encoded: the job sets it |
| Optional[...] | optional |
| output parameter | primitive output |
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp_azureml import __version__
from kfp_azureml.azureml_pipelines.container_command import container_command
from kfp_azureml.azureml_pipelines.definition import Definition
from kfp_azureml.azureml_pipelines.parameters import PRIMITIVES, default_of, is_optional

IN_JOB = Path(__file__).parent / "in_job"
"""The code that runs in a job, in the component's image."""

SCHEMA = "https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json"
SPEC_FILE = "azureml.yaml"
DEFINITION_FILE = "azureml.json"


@dataclass(frozen=True)
class Spec:
    """An Azure ML component.

    Attributes:
        document: Its YAML document without the path of its code.
        definition: Data for its job, such as the KFP component; empty if the job needs no code.
        is_reusable: Whether other pipelines can use it.
    """

    document: Mapping[str, Any]
    definition: Mapping[str, Any]
    is_reusable: bool = True

    @property
    def name(self) -> str:
        """The component's name in the workspace."""
        return str(self.document["name"])

    @property
    def version(self) -> str:
        """The component's version."""
        return str(self.document["version"])

    def write(self, folder: Path) -> Path:
        """Write its YAML file and its definition, if any, to a folder; the shared code is referenced.

        Args:
            folder: An empty folder, or the component's own.

        Returns:
            The YAML file, for `load_component` or `az ml component create --file`.
        """
        import yaml

        document = dict(self.document)
        if self.definition:
            (folder / DEFINITION_FILE).write_text(json.dumps(self.definition, indent=2) + "\n")
            code = Path(os.path.relpath(IN_JOB, folder)).as_posix()
            document |= {"code": code, "additional_includes": [DEFINITION_FILE]}
        path = folder / SPEC_FILE
        path.write_text(yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True))
        return path


def component_spec(
    definition: Definition, *, display_name: str = "", deterministic: bool = True, version: str = __version__
) -> Spec:
    """Return the Azure ML component of a KFP component.

    Args:
        definition: The KFP component.
        display_name: Display name; empty selects the name.
        deterministic: Whether Azure ML may reuse results of an earlier run with the same inputs.
        version: The version.

    Raises:
        PipelineError: If the component uses a feature that Azure ML does not support.
    """
    summary, about_inputs, about_outputs = _described(definition)
    document = {
        "$schema": SCHEMA,
        "type": "command",
        "name": definition.name,
        "version": version,
        "display_name": display_name or definition.name,
        "description": summary,
        "is_deterministic": deterministic,
        "inputs": dict(_inputs(definition, about_inputs)),
        "outputs": dict(_outputs(definition, about_outputs)),
        "environment": {"image": definition.image},
        "command": _command(definition) if definition.is_python else container_command(definition),
    }
    return Spec(
        {key: value for key, value in document.items() if value not in ("", {})},
        _in_job(definition) if definition.is_python else {},
    )


def _inputs(definition: Definition, described: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, artifact in definition.artifacts("inputs").items():
        entry: dict[str, Any] = {"type": "uri_folder", "mode": "download"}
        yield name, _with_words(entry, described.get(name), optional=bool(artifact.get("isOptional")))
    for name, parameter in definition.parameters("inputs").items():
        entry = {"type": PRIMITIVES[parameter["parameterType"]]}
        default = default_of(parameter)
        if default is not None:
            entry["default"] = default
        yield name, _with_words(entry, described.get(name), optional=is_optional(parameter))


def _outputs(definition: Definition, described: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in definition.artifacts("outputs"):
        yield name, _with_words({"type": "uri_folder", "mode": "upload"}, described.get(name))
    for name, parameter in definition.parameters("outputs").items():
        yield name, _with_words({"type": PRIMITIVES[parameter["parameterType"]]}, described.get(name))


def _with_words(entry: dict[str, Any], description: str | None, *, optional: bool = False) -> dict[str, Any]:
    if optional:
        entry["optional"] = True
    if description:
        entry["description"] = description
    return entry


def _command(definition: Definition) -> str:
    """Return the command; its arguments are paths, and values come in environment variables."""
    words = ["python3 run_component.py"]
    folders = definition.artifacts("inputs")
    if folders:
        words.append("--inputs")
    for name, artifact in folders.items():
        word = f"'{name}=${{{{inputs.{name}}}}}'"
        words.append(f"$[[{word}]]" if artifact.get("isOptional") else word)
    outputs = [*definition.artifacts("outputs"), *definition.parameters("outputs")]
    if outputs:
        words.append("--outputs")
    words += [f"'{name}=${{{{outputs.{name}}}}}'" for name in outputs]
    return " ".join(words)


def _in_job(definition: Definition) -> dict[str, Any]:
    return {
        "inputDefinitions": _without_words(definition.inputs),
        "outputDefinitions": _without_words(definition.outputs),
        "container": dict(definition.container),
    }


def _without_words(side: Mapping[str, Any]) -> dict[str, Any]:
    return {
        kind: {name: {key: value for key, value in entry.items() if key != "description"} for name, entry in of.items()}
        for kind, of in side.items()
    }


def _described(definition: Definition) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return the descriptions of a component, its inputs and its outputs from its docstring."""
    from docstring_parser import parse

    documented = parse(definition.docstring)
    arguments = {argument.arg_name: argument.description or "" for argument in documented.params}
    inputs = {
        name: entry.get("description", arguments.get(name, ""))
        for kind in ("parameters", "artifacts")
        for name, entry in definition.inputs.get(kind, {}).items()
    }
    outputs = {name: arguments.get(name, "") for name in definition.artifacts("outputs")}
    if documented.returns:
        outputs |= dict.fromkeys(definition.parameters("outputs"), documented.returns.description or "")
    return documented.short_description or "", _on_one_line(inputs), _on_one_line(outputs)


def _on_one_line(words: Mapping[str, str]) -> dict[str, str]:
    return {name: " ".join(text.split()) for name, text in words.items()}
