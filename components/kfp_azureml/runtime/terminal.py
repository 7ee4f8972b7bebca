"""Sanitize text from other programs, such as server messages and job logs, for printing on a terminal."""

from __future__ import annotations

import re
import sys

LONGEST_MESSAGE = 400
"""Default maximum length of a shortened text, in characters."""

_MAX_READ = 50  # times the maximum length: only so much of a huge text is processed
# ECMA-48: CSI, then the strings (OSC, DCS, SOS, PM, APC) up to their terminator, then the other escapes; each also in
# its 8-bit form. A string without a terminator ends with its line.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\r\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# The other control characters, and those that change the direction of the text around them.
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# JSON may hold them, and printing one fails.
_SURROGATES = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """Remove terminal escapes and control characters from a text.

    Line breaks of every kind become a newline, so that no text can overwrite an earlier one. Tabs are kept.
    """
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", _LINE_ENDS.sub("\n", _ESCAPES.sub("", text))))


def short(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return a text as one plain line, cut to a maximum number of characters."""
    words = " ".join(plain(text[: longest * _MAX_READ]).split())
    return words if len(words) <= longest else f"{words[:longest]} ..."


def one_line(text: str) -> str:
    """Return a text as one line, without what `plain` takes out: names of files may hold line breaks, too."""
    return " ".join(line.strip() for line in plain(text).split("\n"))


def say(text: str) -> None:
    """Print a line on stdout, sanitized by `plain`."""
    sys.stdout.write(f"{plain(text)}\n")
