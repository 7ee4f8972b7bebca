"""The hosts that the emulator plays, each with its routes."""
