"""The Databricks components: one folder each, with the KFP component; the work is in `kfp_azureml.databricks`."""
