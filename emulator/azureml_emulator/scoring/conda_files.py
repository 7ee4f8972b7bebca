"""Conda files: the Python and the packages they ask for, as PyPI has them."""

from __future__ import annotations

import re
import reprlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from azureml_emulator.scoring.build_failures import image_build_failure
from azureml_emulator.scoring.conda_packages import CondaPackage, parse_package, to_requirement

PYTHON_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
KNOWN_MINORS = [f"3.{minor}" for minor in range(14, 5, -1)]
"""Candidates for a range of versions, newest first."""
MOST_CHARACTERS = 1_000_000
FILE_OPTION = re.compile(r"(?:-[rcef]\s*|--(?:requirement|constraint|editable|find-links)[\s=]\s*)(.+)")
DIRECT_REFERENCE = re.compile(r"[\w.-]+\s*(?:\[[^]]*\])?\s*@\s*(.+)")
"""A requirement with its place: `name[extra] @ PLACE`."""
FILE_ADDRESS = re.compile(r"(?:^|[\s=@+])file:", re.IGNORECASE)
ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2")


@dataclass(frozen=True)
class CondaSpec:
    """What to build.

    Attributes:
        requirements: Requirements of pip.
        python: The minor version, such as `3.11`.
        notes: What was done with conda packages, for the build log.
    """

    requirements: tuple[str, ...]
    python: str = PYTHON_MINOR
    notes: tuple[str, ...] = ()


def parse_conda_file(text: str) -> CondaSpec:
    """Read a conda file.

    Args:
        text: Its YAML, of at most MOST_CHARACTERS. Of `dependencies`, conda packages are mapped to PyPI's; `python`
            is a minor version, by default this interpreter's. Name, channels and prefix are ignored.

    Raises:
        ArmError: ImageBuildFailure, if it is not a conda file, or PyPI does not have a package.
    """
    requirements: list[str] = []
    notes: list[str] = []
    python = PYTHON_MINOR
    for dependency in _dependencies(text):
        if isinstance(dependency, list):
            requirements += dependency
        elif dependency.name == "python":
            python = _python_minor(dependency)
        elif dependency.name == "pip":
            if dependency.constraints:
                notes.append(f"{_shown(dependency)}: uv installs the packages, no pip is needed")
        else:
            requirement = _requirement(dependency)
            if requirement:
                requirements.append(requirement)
            build = f"; the build {dependency.build} is ignored" if dependency.build else ""
            done = f"{requirement} from PyPI" if requirement else "left out, wheels of PyPI bring their own libraries"
            notes.append(f"{_shown(dependency)}: {done}{build}")
    return CondaSpec(tuple(requirements), python, tuple(f"conda package {note}" for note in notes))


def requested_python(text: str) -> str:
    """Return the minor version of Python that a conda file asks for.

    Raises:
        ArmError: ImageBuildFailure, if it is not a conda file.
    """
    pythons = [one for one in _dependencies(text) if isinstance(one, CondaPackage) and one.name == "python"]
    return _python_minor(pythons[-1]) if pythons else PYTHON_MINOR


def _dependencies(text: str) -> Iterator[CondaPackage | list[str]]:
    """Read the conda packages of a conda file, and the requirements of its `pip:` list."""
    if len(text) > MOST_CHARACTERS:
        raise image_build_failure(f"The conda file has more than {MOST_CHARACTERS:,} characters.")
    try:
        document = yaml.safe_load(text)
    except RecursionError:
        raise image_build_failure("The conda file is nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that Python does not have
        raise image_build_failure(f"The conda file is not YAML: {' '.join(str(error).split())}") from None
    dependencies = document.get("dependencies") if isinstance(document, dict) else None
    if not isinstance(dependencies, list):
        raise image_build_failure("The conda file has no list of 'dependencies'.")
    for dependency in dependencies:
        if isinstance(dependency, dict) and list(dependency) == ["pip"] and isinstance(dependency["pip"], list):
            yield [pip_requirement(requirement) for requirement in dependency["pip"]]
        elif isinstance(dependency, str) and (package := parse_package(dependency)):
            yield package
        else:
            raise image_build_failure(f"The conda file has a dependency that cannot be read: {_brief(dependency)}.")


def pip_requirement(requirement: object) -> str:
    """Return a line for pip.

    Raises:
        ArmError: ImageBuildFailure, if it is not a line of text, or needs a local file.
    """
    if not isinstance(requirement, str) or not requirement.isprintable():
        raise image_build_failure(f"A requirement in the 'pip:' list must be a line, not {_brief(requirement)}.")
    if _is_local(requirement):
        raise image_build_failure(
            f"The 'pip:' list has {_brief(requirement)}, a local file: of a conda file only itself is uploaded. List"
            " the packages, or take them from an index (--extra-index-url), an https address or git+https."
        )
    return requirement


def _is_local(requirement: str) -> bool:
    """Return whether a line for pip needs a file or folder beside the conda file."""
    line = requirement.strip()
    if FILE_ADDRESS.search(line):
        return True
    if line.startswith("-"):
        option = FILE_OPTION.fullmatch(line)
        return option is not None and "://" not in option[1]
    place = found[1] if (found := DIRECT_REFERENCE.fullmatch(line)) else line
    # Without a marker and a comment, which can have a slash.
    place = re.split(r"\s*;|\s+#|\s+--", place)[0]
    return "://" not in place and ("/" in place or place.startswith((".", "~")) or place.endswith(ARCHIVES))


def _brief(value: object) -> str:
    """Return a short text; aliases of YAML make that of a small file endless."""
    short = reprlib.Repr()
    short.maxlevel, short.maxlist, short.maxdict, short.maxstring = 2, 3, 3, 200
    return short.repr(value)


def _requirement(package: CondaPackage) -> str:
    requirement = to_requirement(package)
    if requirement is None:
        raise image_build_failure(
            f"The emulator cannot install the conda package {_shown(package)!r}: it knows no package of PyPI for it."
            " Move it to the 'pip:' list if PyPI has it, or start the emulator with --environment-python NAME=PYTHON,"
            " where NAME is the environment and PYTHON an interpreter with its packages."
        )
    return requirement


def _python_minor(python: CondaPackage) -> str:
    """Choose the minor version: this interpreter's if it is allowed."""
    for minor in (PYTHON_MINOR, *KNOWN_MINORS):
        if all(_allows(constraint, minor) for constraint in python.constraints):
            return minor
    raise image_build_failure(
        f"The conda file asks for {_shown(python)!r}; choose a version from python={KNOWN_MINORS[-1]}"
        f" to python={KNOWN_MINORS[0]}."
    )


def _allows(constraint: tuple[str, str], minor: str) -> bool:
    """Return whether some patch release of a minor version meets a constraint."""
    operator, text = constraint
    # Longer numbers are no version, and slow to read.
    if not all(part.isdecimal() and len(part) < 10 for part in text.split(".")):
        return False
    wanted = [int(part) for part in text.split(".")]
    mine = [int(part) for part in minor.split(".")][: len(wanted)]
    wanted, is_patch = wanted[:2], len(wanted) > 2 and any(wanted[2:])
    match operator:
        case "=" | "==":
            return mine == wanted
        case "~=":
            return mine[0] == wanted[0] and mine >= wanted
        case ">=":
            return mine >= wanted
        case "<=":
            return mine <= wanted
        case ">":
            return mine > wanted or (is_patch and mine == wanted)
        case "<":
            return mine < wanted or (is_patch and mine == wanted)
        case _:  # "!="
            return mine != wanted or is_patch


def _shown(package: CondaPackage) -> str:
    constraints = ",".join(f"{operator}{version}" for operator, version in package.constraints)
    return f"{package.name}{constraints}"
