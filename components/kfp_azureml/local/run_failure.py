"""Find out why a run failed, from the log of kfp and the steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kfp_azureml.local.exit_codes import exit_description
from kfp_azureml.local.pipeline_process import PIPELINE_ENDED
from kfp_azureml.local.step_process import TASK_ENDED
from kfp_azureml.runtime.terminal import plain

LAST_LINES = 3
"""Number of log lines that are quoted if no error is found."""
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)\b")
_SAYS_SOMETHING = re.compile(r"[\w\ufffd]")  # not a separator
_EXECUTOR = "[KFP Executor "
_NEXT_TASK = re.compile(r"\S+ - INFO - Executing task ")
_LONGEST_LINE = 400  # characters of a line that are quoted


def last_step_exit(log: Path) -> str:
    """Return how the process or container of the failed step ended; empty if none failed."""
    _, ended, _ = _ending(_lines(log))
    return ended


def failure_reason(log: Path, code: int) -> str:
    """Return in one line why a run failed whose steps emit no events.

    Args:
        log: The run's log.
        code: Exit code of the process that ran the pipeline, as in `subprocess`.
    """
    lines = _lines(log)
    where = f"(see {log})"
    step, ended, printed = _ending(lines)
    if ended:
        raised = [_short(line) for line in printed if _EXCEPTION.match(line)]
        # The step's exception says more than an exit code, but less than a signal.
        reason = raised[-1] if raised and "exit code" in ended else f"{ended}{_quoted(printed)}"
        return f"{step}: {reason} {where}"
    failed = [line.partition(": ")[2] for line in lines if line.startswith(PIPELINE_ENDED)]
    reason = failed[-1] if failed else f"its process {exit_description(code)}{_quoted(lines)}"
    return f"the pipeline failed: {reason} {where}"


def _ending(lines: Sequence[str]) -> tuple[str, str, list[str]]:
    """Return the failed step, how it ended, and its output, which kfp indents."""
    printed: list[str] = []
    for line in lines:
        if line.startswith("    "):
            text = line.strip()
            if text.startswith(f"{TASK_ENDED}: "):
                step, _, ended = text.removeprefix(f"{TASK_ENDED}: ").partition(": ")
                return step, ended, printed
            printed.append(text)
            if line == "    }":  # end of the JSON that kfp's executor prints of its input
                printed.clear()
        elif _NEXT_TASK.match(line):
            printed.clear()
    return "", "", printed


def _lines(log: Path) -> list[str]:
    return plain(log.read_text(errors="replace")).splitlines()


def _quoted(lines: Sequence[str]) -> str:
    said = [_short(line.strip()) for line in lines if _SAYS_SOMETHING.search(line) and not line.startswith(_EXECUTOR)]
    last = said[-LAST_LINES:]
    return f"; its log ends with: {' / '.join(last)}" if last else ""


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} ..."
