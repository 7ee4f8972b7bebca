"""Names of the properties by which the aml_* steps find the resources they created."""

RUN_PROPERTY = "kfp_azureml.run_id"
"""The pipeline run that created the resource."""

CONTENT_PROPERTY = "kfp_azureml.content_sha256"
"""Hash of a model version's files, or of a component."""

FINGERPRINT_PROPERTY = "kfp_azureml.fingerprint"
"""Hash of a deployment's configuration."""
