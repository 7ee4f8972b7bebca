"""Test control: injected faults, forced behaviours, recorded requests."""
