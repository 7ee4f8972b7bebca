"""What can go wrong for the person who starts the emulator."""


class EmulatorError(Exception):
    """The emulator cannot start or cannot be found; the message is one line that says why and what to do."""
