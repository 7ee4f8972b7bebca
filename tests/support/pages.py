"""The project's Markdown pages, their commands and links."""

from __future__ import annotations

import re
from pathlib import Path

from console_blocks import arguments_of, commands

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *DOCS,
    ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md",
    ROOT / "bench" / "README.md",
    ROOT / "docker" / "README.md",
]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def name_of(page: Path) -> str:
    """Return a page's path in the repository, for test ids."""
    return page.relative_to(ROOT).as_posix()


def calls(program: str, text: str) -> list[list[str]]:
    """Return the words after each call of a program in a page's console blocks."""
    return [call for command in commands(text) for call in arguments_of(program, command)]


def make_calls(text: str) -> list[list[str]]:
    """Return the words after each `make` in a page's console blocks and code spans."""
    spans = re.findall(r"`(make [^`]+)`", text)
    return [*calls("make", text), *(call for span in spans for call in arguments_of("make", span))]


def links(text: str) -> list[str]:
    """Return the targets of a page's links that lead to the repository itself."""
    return re.findall(r"\]\((?!https?://)([^)]+)\)", text)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
