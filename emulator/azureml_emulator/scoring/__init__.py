"""Deployments that answer: environments, inference servers, mirroring, metrics."""
