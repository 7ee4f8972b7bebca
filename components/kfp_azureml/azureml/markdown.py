"""The few words of Markdown in which an aml_* step sums up what it did, for the pages of Kubeflow."""

from __future__ import annotations

import re
from collections.abc import Mapping


def code(text: str) -> str:
    """Return a text to be shown as it is, on one line."""
    flat = " ".join(text.split())
    # A fence that is longer than any in the text ends where we say.
    fence = "`" * (1 + max(map(len, re.findall("`+", flat)), default=0))
    space = " " if "`" in flat else ""
    return f"{fence}{space}{flat}{space}{fence}" if flat else ""


def link(text: str, url: str) -> str:
    """Return a text that links to a page; the page's address is percent-encoded."""
    return f"[{code(text)}]({url})"


def items(facts: Mapping[str, str]) -> str:
    """Return a list of facts, each with its name."""
    return "\n".join(f"- {code(name)}: {code(value)}" for name, value in facts.items())
