"""Blob storage: Azurite, the relay in front of it, and the emulator's own client."""
