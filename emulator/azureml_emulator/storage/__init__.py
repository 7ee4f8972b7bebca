"""Blob storage: Azurite, the emulator's own client, and checks of asset files."""
