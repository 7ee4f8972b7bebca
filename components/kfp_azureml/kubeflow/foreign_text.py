"""Sanitize text from other programs for a terminal: no escape sequences, bounded length."""

from __future__ import annotations

import re

LONGEST_MESSAGE = 400
"""Maximum length of a server's message, in characters."""

_MOST_READ = 50  # times the maximum length: only so much of a huge text is processed
_ESCAPES = re.compile(
    r"\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c|$)"  # strings, such as a window's title or a link
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)


def plain(text: str) -> str:
    """Return a text without escape sequences and control characters; line breaks stay."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else " " for char in _ESCAPES.sub("", text).replace("\r", "\n")
    )


def short(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return a text as one plain line, cut to a maximum number of characters."""
    words = " ".join(plain(text[: longest * _MOST_READ]).split())
    return words if len(words) <= longest else f"{words[:longest]} ..."
