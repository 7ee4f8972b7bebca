"""Run a pipeline on this machine, with no cluster and no cloud."""
