"""The rules of the house that a program can check."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kfp_azureml

PACKAGE = Path(kfp_azureml.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
FACES = sorted(PACKAGE.glob("*/component.py"))
# Rooms that compile and run pipelines, which is kfp's own business.
ORCHESTRATION = ("compiling", "local", "kubeflow", "azureml_pipelines")
HEAVY = (
    "tensorflow",
    "keras",
    "azure",
    "pandas",
    "pyarrow",
    "onnxruntime",
    "numpy",
    "kfp",
    "rich",
    "fsspec",
    "kubernetes",
)

# What a room may import of the other rooms; what stands in no room is open to all.
STEPS = {
    *("prep", "train", "score", "quality_gate"),
    *("aml_preflight", "aml_register_model", "aml_deploy_model", "aml_reconcile"),
}
ARROWS = {
    "imagesets": set(),
    "azureml": set(),
    "prep": {"imagesets", "azureml"},  # where azureml: names lead
    "train": {"imagesets"},
    "score": {"imagesets"},
    "quality_gate": set(),
    "aml_preflight": {"azureml", "aml_register_model", "aml_deploy_model"},  # it checks names as they do
    "aml_register_model": {"azureml"},
    "aml_deploy_model": {"azureml"},
    "aml_reconcile": {"azureml", "aml_deploy_model"},  # it undoes what that one began
    "compiling": STEPS,
    "kubeflow": {"azureml", "compiling"},
    "azureml_pipelines": {"azureml", "compiling"},
    "local": STEPS | {"imagesets", "azureml", "compiling"},
}


def imported(source: Path, *, top_only: bool) -> set[str]:
    """Return the top-level packages and our own modules that a source imports."""
    tree = ast.parse(source.read_text())
    names = set()
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("face", FACES, ids=lambda path: path.parent.name)
def test_a_face_imports_only_kfp_and_constants_at_its_top(face: Path) -> None:
    allowed = ("kfp", "kfp.dsl", "typing", "kfp_azureml.images")
    assert imported(face, top_only=True) <= set(allowed)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_work_imports_kfp_and_nothing_imports_the_emulator(source: Path) -> None:
    packages = {name.split(".")[0] for name in imported(source, top_only=False)}
    assert "azureml_emulator" not in packages
    is_work = source not in FACES and source.parent.name not in ORCHESTRATION and source.name != "azcreds.py"
    if is_work:
        assert "kfp" not in packages


@pytest.mark.parametrize("room", ARROWS)
def test_arrows_between_rooms_point_one_way(room: str) -> None:
    for source in (PACKAGE / room).rglob("*.py"):
        ours = [name.split(".")[1] for name in imported(source, top_only=False) if name.startswith("kfp_azureml.")]
        assert {name for name in ours if name in ARROWS} - {room} <= ARROWS[room], source


def test_every_room_has_its_arrows() -> None:
    assert {face.parent.name for face in FACES} == STEPS
    assert {folder.parent.name for folder in PACKAGE.glob("*/__init__.py")} == set(ARROWS)


@pytest.mark.parametrize("module", ["kfp_azureml", "kfp_azureml.cli", "kfp_azureml.steps", "kfp_azureml.model_folder"])
def test_importing_costs_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not set(HEAVY) & set(loaded)
