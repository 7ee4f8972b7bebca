"""The configuration files of SDK v1, translated to parameters."""
