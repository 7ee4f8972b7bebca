"""The floor of an entry script: it only echoes."""


def init() -> None:
    """Load nothing."""


def run(data: str) -> str:
    """Answer with the request."""
    return data
