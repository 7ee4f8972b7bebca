"""The machine the emulator runs on: processes, locks, caches, certificates, connections."""
