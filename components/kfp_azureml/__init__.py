"""Kubeflow Pipelines components that train image classifiers and deploy them to Azure ML.

Importing this package costs milliseconds: whatever is heavy is imported by the function that needs it.
"""

from kfp_azureml.azcreds import use_azure_secret
from kfp_azureml.databricks_secret import use_databricks_secret

__all__ = ["use_azure_secret", "use_databricks_secret"]
__version__ = "0.1.0"
