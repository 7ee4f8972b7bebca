"""The rooms of the emulator and the arrows between them."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import azureml_emulator

PACKAGE = Path(azureml_emulator.__file__).parent
NAME = azureml_emulator.__name__

# What a room may import of the others, from the bottom to the top. The modules beside the rooms are below.
ARROWS: dict[str, set[str]] = {
    "arm": set(),
    "machine": set(),
    "storage": {"arm", "machine"},
    "scoring": {"arm", "machine", "storage"},
    "jobs": {"arm", "machine", "storage", "scoring"},
    "control_plane": {"arm", "machine", "storage", "scoring", "jobs"},
    "tracking": {"arm", "storage", "jobs", "control_plane"},
    "test_control": {"arm", "control_plane"},
    "databricks": {"arm", "machine", "test_control"},
    "hosts": {
        "arm",
        "machine",
        "storage",
        "scoring",
        "jobs",
        "control_plane",
        "tracking",
        "test_control",
        "databricks",
    },
}
# Open to all rooms; `tokens` needs errors of `arm`, the others need no room.
BELOW = {"errors", "host_names", "info", "settings", "store", "strict_json", "tokens"}
# Rooms import only `context` of these, and only where requests are handled.
ABOVE = {"__init__", "__main__", "cli", "context", "emulator", "pytest_plugin", "startup", "status"}
HANDLERS = ("control_plane", "databricks.api", "hosts", "test_control.api", "tracking")


def module_name(source: Path) -> str:
    """Return a module's name inside the package, such as `jobs.runs`."""
    return ".".join(source.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(source): source for source in sorted(PACKAGE.rglob("*.py"))}


def statements(node: ast.AST, *, top_only: bool) -> Iterator[ast.AST]:
    """Walk the code that runs: not what only a type checker sees, and on demand no functions."""
    for child in ast.iter_child_nodes(node):
        type_checking = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        if not type_checking and not (top_only and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield child
            yield from statements(child, top_only=top_only)


def imported(module: str, *, top_only: bool = False) -> set[str]:
    """Return the emulator's modules that a module imports."""
    names = set()
    for node in statements(ast.parse(MODULES[module].read_text()), top_only=top_only):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == NAME:
            found = (node.module or "").removeprefix(NAME).removeprefix(".")
            names |= {
                full if (full := f"{found}.{alias.name}".strip(".")) in MODULES else found for alias in node.names
            }
        elif isinstance(node, ast.Import):
            names |= {alias.name.removeprefix(f"{NAME}.") for alias in node.names if alias.name.startswith(f"{NAME}.")}
    return names - {""}


def test_every_module_has_its_place() -> None:
    assert {folder.parent.name for folder in PACKAGE.glob("*/__init__.py")} == set(ARROWS)
    assert {source.stem for source in PACKAGE.glob("*.py")} == BELOW | ABOVE


@pytest.mark.parametrize("room", ARROWS)
def test_arrows_between_rooms_point_one_way(room: str) -> None:
    for module in MODULES:
        if module.split(".")[0] == room:
            names = {name.split(".")[0] for name in imported(module)} - {room}
            assert names & set(ARROWS) <= ARROWS[room], module
            assert names & ABOVE <= {"context"}, module


def test_the_arrows_make_no_circle() -> None:
    TopologicalSorter(ARROWS).prepare()


@pytest.mark.parametrize("module", sorted(BELOW))
def test_the_modules_below_the_rooms_import_no_room(module: str) -> None:
    allowed = BELOW | ({"arm"} if module == "tokens" else set())
    assert {name.split(".")[0] for name in imported(module)} <= allowed


def test_only_request_handlers_import_the_context() -> None:
    importers = {module for module in MODULES if "context" in imported(module)}
    assert {module for module in importers if not module.startswith(HANDLERS)} == {"startup"}


def test_nothing_that_the_context_holds_imports_it() -> None:
    held, waiting = set(), {"context"}
    while waiting:
        held |= waiting
        waiting = {name for module in waiting for name in imported(module)} - held
        assert "context" not in {name for module in waiting for name in imported(module)}
    assert "jobs.runner" in held


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter({module: imported(module, top_only=True) for module in MODULES if module}).prepare()


@pytest.mark.parametrize("room", ["arm", "storage", "scoring", "jobs"])
def test_rooms_below_the_control_plane_handle_no_requests(room: str) -> None:
    for source in (PACKAGE / room).rglob("*.py"):
        assert "starlette" not in source.read_text(), source


@pytest.mark.parametrize(
    "script", ["scoring.mlflow_entry.score", "scoring.batch_entry.drive", "databricks.driver.run_task"]
)
def test_what_runs_in_another_environment_imports_nothing_of_the_emulator(script: str) -> None:
    assert imported(script) == set()
