"""From a pipeline's source to a compiled document that a Kubeflow server will take."""

from kfp_azureml.compiling.options import PipelineOptions

__all__ = ["PipelineOptions"]
