"""Run a pipeline on this machine, without a cluster or cloud account."""
