"""Checks of the cluster and of Kubeflow in it."""
