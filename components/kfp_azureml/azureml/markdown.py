"""Markdown for the summaries of steps in the Kubeflow UI."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

_OF_URLS = "%/:?#[]@!$&'*+,;=~"
"""Characters with a meaning in a URL, without parentheses, which have one in Markdown too."""


def code(text: str) -> str:
    """Return a text as inline code on one line."""
    flat = " ".join(text.split())
    # The fence has to be longer than any run of backticks in the text.
    fence = "`" * (1 + max(map(len, re.findall("`+", flat)), default=0))
    space = " " if "`" in flat else ""
    return f"{fence}{space}{flat}{space}{fence}" if flat else ""


def plain(text: str) -> str:
    """Return a text on one line, in which nothing is Markdown or HTML, such as a foreign picture."""
    return re.sub(r"([\\`*\[\]<>!&])", r"\\\1", " ".join(text.split()))


def link(text: str, url: str) -> str:
    """Return a link; what would end the URL or the link is percent-encoded."""
    return f"[{code(text)}]({quote(url, safe=_OF_URLS)})"


def items(facts: Mapping[str, str]) -> str:
    """Return a list of named facts."""
    return "\n".join(f"- {code(name)}: {code(value)}" for name, value in facts.items())
