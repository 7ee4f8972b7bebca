"""Rollouts to online endpoints: desired state, probes, traffic shifts, soaking and cleanup."""
