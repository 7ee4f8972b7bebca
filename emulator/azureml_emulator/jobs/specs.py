"""What a command job runs, submitted by itself or as a pipeline node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from azureml_emulator.arm.durations import duration_seconds
from azureml_emulator.arm.errors import bad_request
from azureml_emulator.arm.resources import object_in
from azureml_emulator.jobs.distribution import read_workers
from azureml_emulator.store import Document

DATA_TYPES = {
    "uri_file": "UriFile",
    "uri_folder": "UriFolder",
    "mltable": "MLTable",
    "custom_model": "CustomModel",
    "mlflow_model": "MLFlowModel",
    "triton_model": "TritonModel",
}
"""Data types, in the spelling of jobs and of the run history."""
IO_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.]{0,254}")
ASSET_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")


@dataclass(frozen=True)
class AssetName:
    """The asset that an output becomes.

    Attributes:
        name: Its name.
        version: Its version; None for the next one.
    """

    name: str
    version: str | None


@dataclass(frozen=True)
class Data:
    """A data input or output.

    Attributes:
        type: One of `DATA_TYPES`.
        uri: Its location, or the id of a data asset or model; None for an output's default location.
        mode: How it is delivered, such as `ReadOnlyMount`, `Download` or `Direct`.
        of_node: Whether a node of the same pipeline made it; it can then be empty.
        asset: The asset to register it as, if it is an output.
    """

    type: str
    uri: str | None = None
    mode: str | None = None
    of_node: bool = False
    asset: AssetName | None = None


Value = str | Data
"""The value of an input: a literal or data."""


@dataclass(frozen=True)
class CommandSpec:
    """What a command job runs.

    Attributes:
        command: The command line, with its expressions.
        environment: The environment's id.
        code: The code asset's id.
        inputs: Values by name; missing optional inputs are left out.
        outputs: Outputs by name; types other than `DATA_TYPES` are control outputs.
        variables: The job's own environment variables.
        timeout: Timeout in seconds.
        workers: Number of processes that run the command; see `distribution`.
    """

    command: str
    environment: str
    code: str | None
    inputs: Mapping[str, Value]
    outputs: Mapping[str, Data]
    variables: Mapping[str, str]
    timeout: float | None
    workers: int = 1


def read_command_job(properties: Document) -> CommandSpec:
    """Read a command job from its `properties`.

    Raises:
        ArmError: 400, if something is missing or invalid.
    """
    command, environment, code = (properties.get(name) for name in ("command", "environmentId", "codeId"))
    if not isinstance(command, str) or not check_text(command).strip():
        raise bad_request("A command job needs a 'command'.")
    if not isinstance(environment, str):
        raise bad_request("A command job needs an 'environmentId'.")
    if code is not None and not isinstance(code, str):
        raise bad_request("'codeId' must be a string.")
    return CommandSpec(
        command=command,
        environment=environment,
        code=code,
        inputs=read_inputs(object_in(properties, "inputs")),
        outputs={name: read_output(name, output) for name, output in object_in(properties, "outputs").items()},
        variables=read_variables(object_in(properties, "environmentVariables")),
        timeout=read_timeout(object_in(properties, "limits")),
        workers=read_workers(object_in(properties, "distribution"), object_in(properties, "resources")),
    )


def read_inputs(inputs: Document) -> dict[str, Value]:
    """Read the inputs of a job (camel case) or node (snake case); skip null literals.

    Raises:
        ArmError: 400, if one is invalid.
    """
    return {name: value for name in inputs if (value := _read_input(name, object_in(inputs, name))) is not None}


def check_io_name(name: str) -> None:
    """Check the name of an input or output, which also names a folder.

    Raises:
        ArmError: 400, if it is invalid.
    """
    if not IO_NAME.fullmatch(name):
        raise bad_request(
            f"{name!r} is not a valid name for an input or output: use letters, digits, '_' and '.', a letter first."
        )


def _read_input(name: str, given: Document) -> Value | None:
    check_io_name(name)
    kind = given.get("jobInputType") or given.get("job_input_type") or "literal"
    if kind == "literal":
        value = given.get("value")
        return None if value is None else check_text(str(value))
    if kind not in DATA_TYPES or not isinstance(given.get("uri"), str):
        raise bad_request(f"The input {name!r} must be a literal, or one of {', '.join(DATA_TYPES)} with a 'uri'.")
    return Data(kind, given["uri"], given.get("mode"))


def read_output(name: str, output: object) -> Data:
    """Read an output of a job (camel case) or node (snake case).

    Raises:
        ArmError: 400, if it is invalid.
    """
    check_io_name(name)
    given = output if isinstance(output, dict) else {}
    kind = given.get("jobOutputType") or given.get("job_output_type") or "uri_folder"
    uri = given.get("uri")
    if kind not in DATA_TYPES or not (uri is None or isinstance(uri, str)):
        raise bad_request(f"The output {name!r} must be one of {', '.join(DATA_TYPES)}, its 'uri' a string.")
    return Data(kind, uri, given.get("mode"), asset=_read_asset_name(name, given))


def _read_asset_name(output: str, given: Document) -> AssetName | None:
    """Read the asset that an output becomes, in the spelling of jobs or of pipeline nodes."""
    name = given.get("assetName") or given.get("name")
    version = given.get("assetVersion") or given.get("asset_version") or given.get("version")
    if not name:
        return None
    for text in (name, version or "1"):
        if not isinstance(text, str) or not ASSET_NAME.fullmatch(text):
            raise bad_request(f"The output {output!r} cannot become the asset {text!r}: that is not a valid name.")
    return AssetName(name, version)


def read_variables(variables: Document) -> dict[str, str]:
    """Read environment variables as strings.

    Raises:
        ArmError: 400, if one cannot be set.
    """
    if odd := [name for name in variables if not name or "=" in name]:
        raise bad_request(f"{odd[0]!r} is not a valid name for an environment variable.")
    return {check_text(name): check_text(str(value)) for name, value in variables.items() if value is not None}


def check_text(text: str) -> str:
    """Return a text that is passed to a process.

    Raises:
        ArmError: 400, if it has a null character.
    """
    if "\0" in text:
        raise bad_request(f"{text!r} has a null character.")
    return text


def read_timeout(limits: Document) -> float | None:
    """Return the timeout of a job's limits in seconds; None for no limit.

    Raises:
        ArmError: 400, if it is not an ISO 8601 duration.
    """
    timeout = limits.get("timeout")
    return None if timeout is None else duration_seconds(timeout)
