"""A conda file of SDK v1, for a current Python and the inference server."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any

SERVER = "azureml-inference-server-http"
SERVER_REQUIREMENT = f"{SERVER}~=1.5"
SUPPORTED = tuple((3, minor) for minor in range(9, 14))
"""Versions of Python that the server runs on."""
V1_PACKAGES = re.compile(
    r"azureml-(core|sdk|telemetry|pipeline(-core|-steps)?|train(-core)?|contrib-services|monitoring"
    r"|model-management-sdk|webservice-schema)"
)
_PYTHON = re.compile(r"(?:[\w./-]+::)?python\s*(?P<constraints>[=<>!~\s].*)?")
_CONSTRAINT = re.compile(r"\s*(==|>=|<=|!=|~=|=|>|<)?\s*(\d+(?:\.\d+)*)")
_NAME = re.compile(r"[\w.-]+")
_PINNED = re.compile(r"[\w.-]+\s*==?\s*[\d.]+")


@dataclass(frozen=True)
class TranslatedConda:
    """A conda file for a current Python.

    Attributes:
        conda: The file, parsed.
        notes: What was changed.
    """

    conda: dict[str, Any]
    notes: tuple[str, ...]


def translate_conda(conda: dict[str, Any], name: str) -> TranslatedConda:
    """Translate a conda file: its Python, the inference server, and packages of SDK v1.

    Args:
        conda: A parsed conda file, with a list of dependencies.
        name: Its name, for the notes.
    """
    notes: list[str] = []
    dependencies, requirements = [], []
    for dependency in conda["dependencies"]:
        if isinstance(dependency, dict) and isinstance(dependency.get("pip"), list):
            requirements += dependency["pip"]
        else:
            dependencies.append(dependency)
    dependencies, is_new = _current_python(dependencies, notes)
    if is_new:
        pinned = [one for one in [*dependencies, *requirements] if isinstance(one, str) and _PINNED.match(one)]
        pinned = [one for one in pinned if not (_PYTHON.fullmatch(one) or one.startswith("azureml-"))]
        if pinned:
            notes.append(f"{', '.join(pinned)[:200]}: pinned; if the image cannot be built, allow newer versions")
    requirements = _with_server(requirements, notes)
    translated = {**conda, "dependencies": [*dependencies, {"pip": requirements}]}
    return TranslatedConda(translated, tuple(f"{name}: {note}" for note in notes))


def _current_python(dependencies: list[Any], notes: list[str]) -> tuple[list[Any], bool]:
    """Replace a Python that the server does not run on, or add one; return whether it did."""
    current = f"python={sys.version_info.major}.{sys.version_info.minor}"
    for index, dependency in enumerate(dependencies):
        found = _PYTHON.fullmatch(dependency.strip()) if isinstance(dependency, str) else None
        if found is None:
            continue
        if any(_allows(found["constraints"] or "", version) for version in SUPPORTED):
            return dependencies, False
        notes.append(f"{dependency}: the inference server needs Python 3.9 or newer: {current} instead")
        return [*dependencies[:index], current, *dependencies[index + 1 :]], True
    notes.append(f"names no Python: {current} added")
    return [current, *dependencies], True


def _allows(constraints: str, version: tuple[int, int]) -> bool:
    """Return whether conda constraints such as `=3.6.2` or `>=3.6,<3.9` allow a minor version."""
    for part in constraints.split(","):
        found = _CONSTRAINT.match(part)
        if found is None:
            continue
        wanted = tuple(int(number[:9]) for number in found[2].split("."))
        minor, has_patch = wanted[:2], any(wanted[2:])
        mine = version[: len(minor)]
        allowed = {
            ">=": mine >= minor,
            ">": mine > minor or (has_patch and mine == minor),
            "<=": mine <= minor,
            "<": mine < minor or (has_patch and mine == minor),
            "~=": mine[0] == minor[0] and mine >= minor,
            "!=": True,
        }
        if not allowed.get(found[1] or "=", mine == minor):
            return False
    return True


def _with_server(requirements: list[Any], notes: list[str]) -> list[Any]:
    """Replace azureml-defaults by the inference server, leave out SDK v1."""
    kept: list[Any] = []
    has_server = False
    for requirement in requirements:
        found = _NAME.match(requirement.strip()) if isinstance(requirement, str) else None
        package = found[0].lower().replace("_", "-") if found else ""
        if package == "azureml-defaults":
            notes.append(f"{requirement}: {SERVER_REQUIREMENT} instead")
        elif V1_PACKAGES.fullmatch(package):
            notes.append(f"{requirement}: left out, the entry script does not import it")
        else:
            has_server |= package == SERVER
            kept.append(requirement)
    if has_server:
        return kept
    if not any("azureml-defaults" in note for note in notes):
        notes.append(f"has no inference server: {SERVER_REQUIREMENT} added")
    return [SERVER_REQUIREMENT, *kept]
