"""Checks of Azure: what a run needs there, without creating anything but a blob that is deleted at once."""
