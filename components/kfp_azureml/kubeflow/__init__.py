"""Submit pipelines to Kubeflow, follow their runs, and manage the secret `azcreds` in its cluster."""
