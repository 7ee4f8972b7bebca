"""Scoring: environments, inference servers, mirroring, request metrics."""
