"""Notebooks: their cells, read from and written to the source and the Jupyter format."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

HEADERS = {"PYTHON": "# ", "SQL": "-- ", "SCALA": "// ", "R": "# "}
"""How a comment of each language begins."""
HEADER = "Databricks notebook source"
SEPARATOR = "COMMAND ----------"
MAGIC = "MAGIC"
SUFFIXES = {".py": "PYTHON", ".sql": "SQL", ".scala": "SCALA", ".r": "R"}
DEFAULT_NAME = "python"
# `%md`, `%pip install x`; not `%time` and others of IPython, which stay in the code.
CELL_MAGIC = re.compile(r"\s*%(python|sql|scala|r|md|md-sandbox|sh|pip|run|fs)\b[ \t]?(.*)", re.DOTALL)


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook.

    Attributes:
        magic: Its magic, such as `md`; empty for code in the notebook's language.
        source: Its text without the magic.
    """

    magic: str
    source: str


def is_source(text: str, language: str = "PYTHON") -> bool:
    """Return whether a text begins as a notebook in source format."""
    return text.startswith(f"{HEADERS[language]}{HEADER}")


def language_of(text: str, suffix: str) -> str | None:
    """Return the language of a source notebook in a file with this suffix; None if it is a file."""
    language = SUFFIXES.get(suffix.lower())
    return language if language and is_source(text, language) else None


def read_source(text: str, language: str = "PYTHON") -> list[Cell]:
    """Read the cells of a notebook in source format; other source is one cell."""
    comment = HEADERS[language].strip()
    body = text.removeprefix(f"{HEADERS[language]}{HEADER}") if is_source(text, language) else text
    separator = re.compile(rf"^{re.escape(comment)} {SEPARATOR}[ \t]*$", re.MULTILINE)
    cells = [part.strip("\n") for part in separator.split(body.replace("\r\n", "\n"))]
    magic = re.compile(rf"^{re.escape(comment)} {MAGIC} ?", re.MULTILINE)
    return [_cell(magic.sub("", cell)) for cell in cells if cell.strip()]


def write_source(cells: Sequence[Cell], language: str = "PYTHON") -> str:
    """Write cells in source format."""
    comment = HEADERS[language].strip()
    blocks = []
    for cell in cells:
        lines = _with_magic(cell).splitlines()
        blocks.append("\n".join(f"{comment} {MAGIC} {line}".rstrip() for line in lines) if cell.magic else cell.source)
    return f"{comment} {HEADER}\n" + f"\n\n{comment} {SEPARATOR}\n\n".join(blocks) + "\n"


def read_jupyter(text: str) -> list[Cell]:
    """Read the cells of a Jupyter notebook.

    Raises:
        ValueError: If it is none.
    """
    try:
        document = json.loads(text)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    found = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(cell, dict) for cell in found):
        raise ValueError("it has no list of cells")
    return [_jupyter_cell(cell) for cell in found if cell.get("cell_type") in ("code", "markdown")]


def write_jupyter(cells: Sequence[Cell], language: str = "PYTHON") -> str:
    """Write cells as a Jupyter notebook."""
    shown: list[dict[str, object]] = [
        {"cell_type": "markdown", "metadata": {}, "source": cell.source.splitlines(keepends=True)}
        if cell.magic == "md"
        else {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": _with_magic(cell).splitlines(keepends=True),
        }
        for cell in cells
    ]
    metadata = {"language_info": {"name": language.lower()}}
    return json.dumps({"cells": shown, "metadata": metadata, "nbformat": 4, "nbformat_minor": 0})


def _cell(text: str) -> Cell:
    match = CELL_MAGIC.fullmatch(text)
    if match is None:
        return Cell("", text)
    magic = "" if match[1] == "python" else match[1].removesuffix("-sandbox")
    return Cell(magic, match[2].strip("\n"))


def _jupyter_cell(cell: dict[str, object]) -> Cell:
    source = cell.get("source") or ""
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    return Cell("md", text) if cell["cell_type"] == "markdown" else _cell(text)


def _with_magic(cell: Cell) -> str:
    if not cell.magic:
        return cell.source
    # A line of its own, unless it is a command such as `%pip install`.
    return f"%{cell.magic}{chr(10) if cell.magic in ('md', 'sql', 'scala', 'r') else ' '}{cell.source}"
