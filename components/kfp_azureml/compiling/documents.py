"""Read and write a compiled pipeline's file, which has one or two YAML documents."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.runtime.text_files import read_user_text


@dataclass(frozen=True)
class Compiled:
    """A compiled pipeline.

    Attributes:
        pipeline: Its document (`PipelineSpec`).
        platform: The Kubernetes platform's (`PlatformSpec`); may be empty.
    """

    pipeline: dict[str, Any]
    platform: dict[str, Any]

    @property
    def containers(self) -> dict[str, dict[str, Any]]:
        """Containers of the tasks by executor label; importers have none."""
        executors = self.pipeline.get("deploymentSpec", {}).get("executors", {})
        return {label: executor["container"] for label, executor in executors.items() if "container" in executor}


def read_text(path: Path) -> str:
    """Return a YAML file's text in any encoding of Unicode; see `read_user_text`.

    Raises:
        PipelineError: If it is not text.
    """
    return read_user_text(path, PipelineError)


def read_compiled(path: Path) -> Compiled:
    """Read a compiled pipeline.

    Raises:
        PipelineError: If the file is not a compiled pipeline.
    """
    import yaml

    try:
        documents = deepcopy(_parsed(read_text(path)))
    except yaml.YAMLError as error:
        raise PipelineError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not 1 <= len(documents) <= 2 or not all(isinstance(document, dict) for document in documents):
        raise PipelineError(f"{path}: expected one or two YAML documents that are mappings: not a compiled pipeline")
    if "root" not in documents[0]:
        raise PipelineError(f"{path}: has no root: not a compiled pipeline")
    return Compiled(documents[0], documents[1] if len(documents) == 2 else {})


@lru_cache(maxsize=1)
def _parsed(text: str) -> list[Any]:
    # A command reads its pipeline several times, of which each would take 0.1 s. libyaml's loader is faster, but
    # deep nesting crashes it.
    import yaml

    return list(yaml.safe_load_all(text))


def write_compiled(compiled: Compiled, path: Path, head: str = "") -> None:
    """Write a compiled pipeline.

    Args:
        compiled: The pipeline.
        path: The file.
        head: Comment lines at its beginning.
    """
    import yaml

    documents = [compiled.pipeline, *([compiled.platform] if compiled.platform else [])]
    path.write_text(head + yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True), encoding="utf-8")


def head_of(text: str) -> str:
    """Return the comment lines at the beginning of a file, such as kfp's summary."""
    return "".join(takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True)))
