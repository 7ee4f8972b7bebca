"""The lower bound of an entry script: it echoes."""


def init() -> None:
    """Load nothing."""


def run(data: str) -> str:
    """Answer with the request."""
    return data
