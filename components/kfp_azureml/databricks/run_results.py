"""Outputs of the steps that run something: link, JSON, Markdown, values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kfp_azureml.azureml.markdown import code, items, link
from kfp_azureml.databricks.run_outcome import Outcome
from kfp_azureml.runtime.outputs import atomic_file


def write_link(run_id: str, url: str, result: Any, summary: str) -> None:
    """Write what is known when a run has started, so that the link is there if the step fails.

    Args:
        run_id: The run.
        url: Its page in the workspace.
        result: The output artifact.
        summary: The file for the summary.
    """
    known = {"run_id": run_id, "run_page_url": url}
    result.metadata.update(known)
    with atomic_file(result.path) as part:
        part.write_text(json.dumps(known, indent=2) + "\n")
    Path(summary).write_text(f"{link(f'run {run_id}', url)}: started\n")


def metadata(outcome: Outcome) -> dict[str, str]:
    """Return the metadata of the output artifact, without what tasks printed or returned."""
    names = ("run_id", "job_id", "run_name", "run_page_url", "life_cycle_state", "result_state")
    return {name: getattr(outcome, name) for name in names}


def format_summary(outcome: Outcome) -> str:
    """Return a run as Markdown."""
    title = f"{link(outcome.run_name or f'run {outcome.run_id}', outcome.run_page_url)}: {code(outcome.result_state)}"
    tasks = {task.task_key: task.error or task.result_state for task in outcome.tasks}
    return f"{title}\n\n{items(tasks)}\n"


def outputs(outcome: Outcome) -> tuple[str, int, str, str, str, str, str, bool, dict[str, str], str]:
    """Return the values of the output parameters, in the components' order."""
    notebook = outcome.notebook
    return (
        outcome.job_id,
        outcome.number_in_job,
        outcome.run_id,
        outcome.run_name,
        outcome.life_cycle_state,
        outcome.result_state,
        notebook.notebook_output_result if notebook else "",
        bool(notebook and notebook.notebook_output_truncated),
        outcome.notebook_outputs,
        outcome.error,
    )
