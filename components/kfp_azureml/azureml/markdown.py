"""Markdown for the summaries of the aml_* steps in the Kubeflow UI."""

from __future__ import annotations

import re
from collections.abc import Mapping


def code(text: str) -> str:
    """Return a text as inline code on one line."""
    flat = " ".join(text.split())
    # The fence has to be longer than any run of backticks in the text.
    fence = "`" * (1 + max(map(len, re.findall("`+", flat)), default=0))
    space = " " if "`" in flat else ""
    return f"{fence}{space}{flat}{space}{fence}" if flat else ""


def link(text: str, url: str) -> str:
    """Return a link to a percent-encoded URL."""
    return f"[{code(text)}]({url})"


def items(facts: Mapping[str, str]) -> str:
    """Return a list of named facts."""
    return "\n".join(f"- {code(name)}: {code(value)}" for name, value in facts.items())
