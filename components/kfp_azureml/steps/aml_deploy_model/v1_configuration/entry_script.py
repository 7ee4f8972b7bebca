"""Find imports of SDK v1 in an entry script and in the modules beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.text_files import read_user_text

ADVICE = {
    "azureml.core": 'read the model from os.environ["AZUREML_MODEL_DIR"] instead of Model.get_model_path',
    "azureml.monitoring": "use Collector of azureml.ai.monitoring (package azureml-ai-monitoring)",
    "azureml.exceptions": "remove it",
    "azureml.telemetry": "remove it",
    "azureml.train": "remove it",
    "azureml.pipeline": "remove it",
}
"""Packages of SDK v1, and what a script does without them."""
COLLECTOR = "azureml.ai.monitoring"


def check_entry_script(script: Path, code: Path) -> bool:
    """Refuse an entry script that imports SDK v1, itself or through modules in its folder.

    Args:
        script: The entry script.
        code: The folder whose modules it can import.

    Returns:
        Whether it imports the data collector.

    Raises:
        DeploymentError: If it does, or is not Python 3.
    """
    waiting, seen, collects = [script], {script}, False
    while waiting:
        path = waiting.pop()
        shown = path.relative_to(code)
        for module, line in _imports(path, str(shown)):
            advice = next((text for name, text in ADVICE.items() if f"{module}.".startswith(f"{name}.")), None)
            if advice:
                raise DeploymentError(
                    f"{shown} line {line}: imports {module}, SDK v1, which has been retired: {advice}"
                )
            collects |= f"{module}.".startswith(f"{COLLECTOR}.")
            for beside in _files(code, script.parent, module):
                if beside not in seen:
                    seen.add(beside)
                    waiting.append(beside)
    return collects


def _imports(path: Path, shown: str) -> Iterator[tuple[str, int]]:
    """Yield the modules that a file imports, and the lines."""
    try:
        tree = ast.parse(read_user_text(path, DeploymentError, name=shown))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f" line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise DeploymentError(f"{shown}{line}: not Python 3 ({type(error).__name__})") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _files(code: Path, folder: Path, module: str) -> Iterator[Path]:
    """Yield the files in code that an import may read."""
    parts = module.split(".")
    for root in {code, folder}:
        for count in range(1, len(parts) + 1):
            base = root.joinpath(*parts[:count])
            candidates = (base.with_name(f"{base.name}.py"), base / "__init__.py")
            yield from (path for path in candidates if path.is_file())
