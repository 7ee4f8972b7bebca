"""The Databricks components; their work is in `kfp_azureml.databricks`."""
