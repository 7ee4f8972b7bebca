"""Conda packages as requirements of PyPI."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("conda_packages.txt")
NOT_NEEDED = "-"
MOST_CHARACTERS = 500
"""The patterns take quadratic time."""
SPEC = re.compile(r"(?:(?P<channel>[\w./-]+)::)?(?P<name>\w[\w.-]*)\s*(?P<constraint>.*)")
VERSION = r"([\w*][\w.+!*]*)"
CONSTRAINT = re.compile(rf"(==|>=|<=|!=|~=|=|>|<|){VERSION}")
BUILD = re.compile(rf"=?{VERSION}=(\S+)")
"""`name=version=build`, or `name version=build`."""
RELEASE = re.compile(r"\d+(\.\d+)*")


@dataclass(frozen=True)
class CondaPackage:
    """A dependency of a conda file.

    Attributes:
        name: The package, in lower case.
        constraints: Pairs of operator and version; `=` is a prefix, as `=1.26`, `==` is exact.
        build: The requested build, which PyPI does not have; "" for any.
    """

    name: str
    constraints: tuple[tuple[str, str], ...]
    build: str = ""


def parse_package(text: str) -> CondaPackage | None:
    """Read a dependency such as `numpy`, `conda-forge::numpy=1.26`, `pandas>=1.1,<1.2`, `scipy 1.7.* py39_0`.

    Returns:
        None, if it has another form.
    """
    if len(text) > MOST_CHARACTERS:
        return None
    found = SPEC.fullmatch(text.strip())
    if found is None:
        return None
    name, rest = found["name"].lower(), re.sub(r"([=<>!~,])\s+|\s+(?=,)", r"\1", found["constraint"].strip())
    rest, _, build = rest.partition(" ")
    if exact := BUILD.fullmatch(rest):
        return CondaPackage(name, _constraints(f"=={exact[1]}") or (), exact[2])
    constraints = _constraints(rest)
    return None if constraints is None else CondaPackage(name, constraints, build.strip())


def _constraints(text: str) -> tuple[tuple[str, str], ...] | None:
    found = []
    for part in text.split(",") if text else ():
        parsed = CONSTRAINT.fullmatch(part)
        if parsed is None:
            return None
        operator, version = parsed.groups()
        prefix = version.removesuffix("*").removesuffix(".")
        if not prefix:  # any version
            continue
        # A bare version is exact: `numpy 1.26`.
        operator = operator or "=="
        found.append(("=" if prefix != version and operator == "==" else operator, prefix))
    return tuple(found)


def to_requirement(package: CondaPackage) -> str | None:
    """Return a conda package as a requirement of PyPI; "" if it is not needed there, None if it is not known there."""
    name = _pypi_names().get(package.name.replace("_", "-"))
    if name is None or name == NOT_NEEDED:
        return "" if name else None
    return name + ",".join(_pip_version(operator, version) for operator, version in package.constraints)


@functools.cache
def _pypi_names() -> dict[str, str]:
    """Read the names that conda packages have on PyPI."""
    lines = [line.split() for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    return {words[0]: words[-1] for words in lines}


def _pip_version(operator: str, version: str) -> str:
    if operator == "=":
        return f"=={version}.*" if RELEASE.fullmatch(version) else f"=={version}"
    return f"{operator}{version}"
