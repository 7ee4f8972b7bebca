"""The Azure ML client: credentials, workspace, retries, waiting, names, and messages for Azure errors."""
