"""Rollouts to online endpoints: probes, traffic shifts, watching and cleaning up."""
