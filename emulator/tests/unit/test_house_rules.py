"""The emulator and its tests are a project of their own: they import nothing of the suite around them."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

EMULATOR = Path(__file__).parents[2]
THE_SUITE = "-".join(("kfp", "azureml"))
INSTALLED = {name for name, packages in packages_distributions().items() if THE_SUITE not in packages}
SUPPORT = {module.stem for module in (EMULATOR / "tests" / "support").glob("*.py")}
# What the environments of deployments and of Databricks tasks have.
ENVIRONMENTS = {"azureml_inference_server_http", "pandas", "pyspark"}
SOURCES = sorted(path for folder in ("azureml_emulator", "tests") for path in (EMULATOR / folder).rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    """Return the top packages that a module imports, at its top or anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(EMULATOR).as_posix())
def test_nothing_of_the_suite_is_imported(source: Path) -> None:
    text = source.read_text()
    known = {*INSTALLED, *ENVIRONMENTS, *sys.stdlib_module_names, "azureml_emulator"}
    if source.is_relative_to(EMULATOR / "tests"):
        known |= SUPPORT
    assert imported(ast.parse(text)) <= known
    # Nor in the programs that tests write for other interpreters.
    assert THE_SUITE.replace("-", "_") not in text


def test_unit_tests_mirror_the_packages() -> None:
    rooms = {folder.name for folder in (EMULATOR / "tests" / "unit").iterdir() if list(folder.glob("test_*.py"))}
    assert rooms == {module.parent.name for module in (EMULATOR / "azureml_emulator").glob("*/__init__.py")}
