"""Compile and validate pipelines."""

from kfp_azureml.compiling.options import PipelineOptions

__all__ = ["PipelineOptions"]
