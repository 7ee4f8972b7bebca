"""Validate a compiled pipeline more strictly than the Kubeflow server.

The server accepts nearly anything at upload and rejects a dangling reference only when a run is created.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfp_azureml.compiling.completeness import empty_places, missing_parts
from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.compiling.numbers import rounded_numbers
from kfp_azureml.compiling.references import dangling_references, platform_executors
from kfp_azureml.runtime.errors import PipelineError


def validate_compiled(path: Path) -> None:
    """Validate a compiled pipeline against kfp's protobuf schema, and resolve all its references.

    Args:
        path: A YAML file with the pipeline's document and, if it has one, the platform's.

    Raises:
        PipelineError: If it is invalid, with the first error.
    """
    compiled = read_compiled(path)
    validate_documents(path, compiled.pipeline, compiled.platform)


def validate_documents(path: Path, pipeline: dict[str, Any], platform: dict[str, Any]) -> None:
    """Validate a compiled pipeline's two documents; see `validate_compiled`.

    Args:
        path: Their file, for errors.
        pipeline: The pipeline's document (`PipelineSpec`).
        platform: The platform's document (`PlatformSpec`); may be empty.

    Raises:
        PipelineError: If they are invalid, with the first error.
    """
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2
    from kfp.pipeline_spec import pipeline_spec_pb2

    for empty in empty_places(pipeline):
        raise PipelineError(f"{path}: incomplete: {empty} is empty")
    try:
        spec = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
        for config in platform_executors(platform).values():
            json_format.ParseDict(config, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    except json_format.ParseError as error:
        words = " ".join(str(error).split())
        raise PipelineError(f"{path}: does not match Kubeflow's schema: {words}") from error
    for message in missing_parts(json_format.MessageToDict(spec)):
        raise PipelineError(f"{path}: incomplete: {message}")
    for message in (*dangling_references(pipeline, platform), *rounded_numbers(pipeline)):
        raise PipelineError(f"{path}: {message}")
