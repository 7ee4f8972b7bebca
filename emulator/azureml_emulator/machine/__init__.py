"""The machine the emulator runs on: processes, locks, cache, connections."""
