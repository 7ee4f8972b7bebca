"""Read a JSON configuration file and its fields; every error names file and field."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from kfp_azureml.runtime.errors import DeploymentError, first_line
from kfp_azureml.runtime.text_files import read_user_text

MOST_BYTES = 1_000_000
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class Section:
    """An object of a configuration file.

    Attributes:
        file: Name of the file, for messages.
        path: Where the object is in it, such as `autoScaler.`; empty for the whole.
        values: Its fields.
    """

    file: str
    path: str
    values: dict[str, Any]

    def where(self, name: str) -> str:
        """Return a field's name in messages, with its file."""
        return f"{self.file}: {self.path}{name}"

    def fail(self, name: str, problem: str) -> NoReturn:
        """Raise an error about a field.

        Raises:
            DeploymentError: Always.
        """
        raise DeploymentError(f"{self.where(name)} {_shown(self.values.get(name))}: {problem}")

    def is_set(self, name: str) -> bool:
        """Return whether a field asks for something: it is not null, false or empty."""
        value = self.values.get(name)
        return bool(value) and str(value).lower() != "false"

    def text(self, name: str) -> str:
        """Return a string; empty if there is none."""
        value = self.values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or not (value.isprintable() or not value):
            self.fail(name, "must be a string of one line")
        return value.strip()

    def flag(self, name: str) -> bool | None:
        """Return a boolean, which may be a string such as `True`; None if there is none."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            value = _FLAGS.get(value.strip().lower(), value)
        if not isinstance(value, bool):
            self.fail(name, "must be true or false")
        return value

    def number(self, name: str, lowest: float, highest: float) -> float | None:
        """Return a number; None if there is none."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not lowest <= value <= highest:
            self.fail(name, f"must be a number from {lowest:g} to {highest:g}")
        return value

    def whole(self, name: str, lowest: int, highest: int) -> int | None:
        """Return a whole number; None if there is none."""
        value = self.number(name, lowest, highest)
        if value is None or not math.isclose(value, round(value)):
            return None if value is None else self.fail(name, "must be a whole number")
        return round(value)

    def section(self, name: str) -> Section:
        """Return an object; empty if there is none."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, dict):
            self.fail(name, "must be an object")
        return Section(self.file, f"{self.path}{name}.", value or {})

    def unknown(self, known: Collection[str]) -> list[str]:
        """Return a line about each field that SDK v1 did not have, and ignored."""
        lines = []
        for name in self.values:
            if name not in known:
                similar = difflib.get_close_matches(name, known, 1, 0.8)
                advice = f"did you mean {similar[0]}?" if similar else "remove it"
                lines.append(f"{self.where(name[:60])}: unknown, and ignored as by SDK v1: {advice}")
        return lines


def read_document(path: Path) -> Section:
    """Read a configuration file.

    Raises:
        DeploymentError: If it is missing, too large, or not a JSON object with numbers that are numbers.
    """
    name = path.name
    try:
        too_large = path.stat().st_size > MOST_BYTES
    except OSError:
        too_large = False  # reading it says why
    if too_large:
        raise DeploymentError(f"{name}: larger than {MOST_BYTES} bytes: not a configuration file")
    text = read_user_text(path, DeploymentError, name=name, expected="a configuration file of SDK v1 in code")

    def fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
            raise DeploymentError(f"{name}: {twice[:60]!r} is there twice: remove one")
        return found

    def refuse_constant(constant: str) -> NoReturn:
        raise DeploymentError(f"{name}: {constant} is not a number")

    try:
        document = json.loads(text, object_pairs_hook=fields, parse_constant=refuse_constant)
    except RecursionError:
        raise DeploymentError(f"{name}: JSON is nested too deeply") from None
    except ValueError as error:
        raise DeploymentError(f"{name}: not JSON ({first_line(error)})") from error
    if not isinstance(document, dict):
        raise DeploymentError(f"{name}: must be a JSON object, not {_shown(document)}")
    return Section(name, "", document)


def _shown(value: object) -> str:
    """Return a value for a message; objects may hold secrets."""
    if isinstance(value, (dict, list)):
        return "{...}" if isinstance(value, dict) else "[...]"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]} ..."
