"""Kubeflow and the cluster it runs in: submitting pipelines, following runs, the secret `azcreds`."""
