"""The rules of the house that a program can check."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kfp_azureml
from kfp_azureml.steps.names import component_names, component_path

PACKAGE = Path(kfp_azureml.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
STEPS = component_names()
# Rooms that compile and run pipelines, which is kfp's own business.
ORCHESTRATION = ("compiling", "local", "kubeflow", "azureml_pipelines", "doctor")
HEAVY = (
    *("tensorflow", "keras", "azure", "pandas", "pyarrow", "onnxruntime"),
    *("numpy", "kfp", "rich", "fsspec", "kubernetes", "databricks"),
)

# What a room may import of the other rooms; the modules beside the rooms, such as images.py, are open to all.
ARROWS = {
    "runtime": set(),
    "imagesets": {"runtime"},
    "models": {"runtime", "imagesets"},
    "azureml": {"runtime", "imagesets", "models"},
    "databricks": {"runtime", "azureml"},
    "engines": {"runtime"},
    "steps": {"runtime", "imagesets", "models", "azureml", "databricks", "engines"},
    "compiling": {"runtime", "steps"},
    "kubeflow": {"runtime", "azureml", "compiling", "engines"},
    "azureml_pipelines": {"runtime", "models", "azureml", "steps", "compiling"},
    "local": {"runtime", "imagesets", "models", "azureml", "steps", "compiling"},
    "doctor": {"runtime", "azureml", "compiling", "engines", "kubeflow", "local"},
}
# Only rooms.
BESIDE = {"__init__", "azcreds", "cli", "components", "databricks_secret", "databricks_specs", "images"}


def imported(source: Path, *, top_only: bool = False, types: bool = False) -> set[str]:
    """Return the packages and our own modules that a source imports.

    Args:
        source: The file.
        top_only: Leave out imports inside functions and `if` blocks.
        types: With `top_only`, include those under `if TYPE_CHECKING`.
    """
    tree = ast.parse(source.read_text())
    nodes = list(tree.body) if top_only else list(ast.walk(tree))
    if types:
        nodes += [inner for node in tree.body if isinstance(node, ast.If) for inner in node.body]
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_every_room_has_its_arrows() -> None:
    assert {folder.parent.name for folder in PACKAGE.glob("*/__init__.py")} == set(ARROWS)
    assert {module.stem for module in PACKAGE.glob("*.py")} == BESIDE


@pytest.mark.parametrize("room", ARROWS)
def test_arrows_between_rooms_point_one_way(room: str) -> None:
    for source in (PACKAGE / room).rglob("*.py"):
        ours = {name.split(".")[1] for name in imported(source) if name.startswith("kfp_azureml.")}
        assert ours & set(ARROWS) - {room} <= ARROWS[room], source


@pytest.mark.parametrize("step", STEPS)
def test_no_step_imports_another(step: str) -> None:
    folder = PACKAGE / "steps" / component_path(step)
    own = ".".join(("kfp_azureml.steps", *component_path(step).parts))
    for source in folder.rglob("*.py"):
        ours = {name for name in imported(source) if name.startswith("kfp_azureml.steps.")}
        assert all(f"{name}.".startswith(f"{own}.") for name in ours), source


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_in_a_circle(source: Path) -> None:
    seen: set[Path] = set()
    waiting = modules_of(source)
    while waiting:
        module = waiting.pop()
        assert module != source
        if module not in seen:
            seen.add(module)
            waiting |= modules_of(module)


def modules_of(source: Path) -> set[Path]:
    """Return our own files that a source imports at module top, for type checking included."""
    candidates = (PACKAGE.parent / Path(*name.split(".")) for name in imported(source, top_only=True, types=True))
    return {path.with_suffix(".py") for path in candidates if path.with_suffix(".py").is_file()}


@pytest.mark.parametrize("step", STEPS)
def test_a_component_imports_only_kfp_and_constants_at_its_top(step: str) -> None:
    names = imported(PACKAGE / "steps" / component_path(step) / "component.py", top_only=True)
    assert {name for name in names if name.split(".")[0] not in ("kfp", "typing")} <= {
        *("kfp_azureml.images", "kfp_azureml.images.AZURE_IMAGE", "kfp_azureml.images.ML_IMAGE")
    }


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_work_imports_kfp_and_nothing_imports_the_emulator(source: Path) -> None:
    packages = {name.split(".")[0] for name in imported(source)}
    assert "azureml_emulator" not in packages
    orchestrates = source.relative_to(PACKAGE).parts[0] in (
        *ORCHESTRATION,
        *("azcreds.py", "databricks_secret.py", "databricks_specs.py"),
    )
    # `kfp-azureml step` runs components with kfp's executor.
    if not orchestrates and source.name != "component.py" and source != PACKAGE / "steps" / "command.py":
        assert "kfp" not in packages


@pytest.mark.parametrize(
    "module", ["kfp_azureml", "kfp_azureml.cli", "kfp_azureml.runtime.step", "kfp_azureml.models.model_folder"]
)
def test_importing_costs_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not set(HEAVY) & set(loaded)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_first_line_of_a_docstring_is_short(source: Path) -> None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, kinds)]
    first_lines = [(ast.get_docstring(node) or "").partition("\n")[0] for node in documented]
    assert [line for line in first_lines if len(line) > 100] == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_terminals_own_module_and_plain_texts_are_echoed(source: Path) -> None:
    """What is printed may come from a server or a foreign file: `say` and `plain` take escapes out of it."""
    tree = ast.parse(source.read_text())
    echoed = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "click.echo"]
    unsafe = [
        ast.unparse(call)
        for call in echoed
        if not ast.unparse(call.args[0]).startswith(("plain(", "one_line(", "json.dumps(", "'"))
    ]
    passed_on = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.arguments) and "click.echo" in ast.unparse(node)
    ]
    assert unsafe + passed_on == []


PAGES = sorted(path for path in PACKAGE.rglob("*") if path.name.endswith((".html", ".html.j2")))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_of_a_step_loads_and_runs_nothing(page: Path) -> None:
    """A second barrier behind the escaping of names, which come from outside."""
    text = page.read_text()
    assert "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">" in text
    assert "<script" not in text
    assert len(PAGES) == 3
