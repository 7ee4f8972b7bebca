"""Checks of a compiled pipeline that the Kubeflow server makes late or never.

The server takes nearly anything at upload and refuses a broken reference only when a run is created.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfp_azureml.compiling.completeness import empty_places, missing_parts
from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.compiling.references import dangling_references, platform_executors
from kfp_azureml.runtime.errors import PipelineError


def validate_compiled(path: Path) -> None:
    """Check a compiled pipeline against kfp's own protos and follow all its references.

    Args:
        path: A YAML file with the pipeline's document and, where it has one, the platform's.

    Raises:
        PipelineError: With the first thing that is wrong.
    """
    compiled = read_compiled(path)
    validate_documents(path, compiled.pipeline, compiled.platform)


def validate_documents(path: Path, pipeline: dict[str, Any], platform: dict[str, Any]) -> None:
    """Check a compiled pipeline's two documents; see `validate_compiled`.

    Args:
        path: Where they are from, to be named in errors.
        pipeline: The pipeline's document (`PipelineSpec`).
        platform: The platform's (`PlatformSpec`), or an empty one.

    Raises:
        PipelineError: With the first thing that is wrong.
    """
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2
    from kfp.pipeline_spec import pipeline_spec_pb2

    for empty in empty_places(pipeline):
        raise PipelineError(f"{path}: incomplete: there is nothing at {empty}")
    try:
        spec = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
        for config in platform_executors(platform).values():
            json_format.ParseDict(config, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    except json_format.ParseError as error:
        words = " ".join(str(error).split())
        raise PipelineError(f"{path}: not what Kubeflow's protos define: {words}") from error
    for message in missing_parts(json_format.MessageToDict(spec)):
        raise PipelineError(f"{path}: incomplete: {message}")
    for message in dangling_references(pipeline, platform):
        raise PipelineError(f"{path}: {message}")
