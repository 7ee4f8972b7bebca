"""The commands of docs/own-images.md, each by what tells it from the others."""

from __future__ import annotations

from pathlib import Path

from console_blocks import commands

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "own-images.md"
BRIEF = {"epochs=20": "epochs=2", "min_accuracy=0.7": "min_accuracy=0.2"}
"""Replacements for runs whose accuracy does not matter."""


def page_commands() -> list[str]:
    """Return all commands of the page, in order."""
    return commands(PAGE.read_text())


def command_with(words: str, *, brief: bool = False) -> str:
    """Return the one command that contains some words.

    Args:
        words: The words.
        brief: Whether to train briefly.
    """
    (command,) = (each for each in page_commands() if words in each)
    for long, short in BRIEF.items() if brief else ():
        assert long in command
        command = command.replace(long, short)
    return command


def project_folder(folder: Path) -> Path:
    """Create a folder in which the page's commands run as in the project's, without writing to that."""
    folder.mkdir()
    for name in (".venv", ".cache", "examples", "Makefile"):
        (folder / name).symlink_to(ROOT / name)
    return folder
