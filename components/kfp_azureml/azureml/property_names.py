"""The properties that the aml_* steps give to what they make in Azure: by them it is found again."""

RUN_PROPERTY = "kfp_azureml.run_id"
"""The pipeline run that made it."""

CONTENT_PROPERTY = "kfp_azureml.content_sha256"
"""Of a model version: the hash of its files."""

FINGERPRINT_PROPERTY = "kfp_azureml.fingerprint"
"""Of a deployment: the hash of all that makes it answer as it does."""
