"""What the aml_* components share: credentials, the workspace client, waiting, errors."""
