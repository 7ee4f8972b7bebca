"""Find the error of a failed step in its log."""

from __future__ import annotations

import re

from kfp_azureml.runtime.redaction import redact
from kfp_azureml.runtime.terminal import plain, short

MAX_ERROR_LENGTH = 1000
"""Maximum length of a step's error, in characters."""

_TRACEBACK = "Traceback (most recent call last):"
# The log format of Kubeflow's driver and launcher (glog): level, month and day, time, thread, file:line.
_BACKEND_LINE = re.compile(r"(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.-]+:\d+\] (?P<message>.*)")
# The launcher logs this for a step that exited by itself and printed its own error.
_ENDED_BY_ITSELF = re.compile(r"exit status \d+$")


def find_error(log: str, step: str) -> str:
    """Return the error of a failed step in one line; empty if the log has none.

    It is the line that `run_step` prints, else the last exception of a traceback, else an error of Kubeflow's driver or
    launcher other than the step's exit status.

    Args:
        log: The step's output, or its pod's whole log.
        step: The step, such as `prep` or `train_2`.
    """
    lines = plain(log).split("\n")
    printed = [line for line in lines if not _BACKEND_LINE.match(line)]
    return _shown(_own_line(printed, step) or _exception(printed) or _backends_line(lines))


def last_line(log: str) -> str:
    """Return the last line of the step's output; empty if there is none."""
    printed = [line for line in plain(log).split("\n") if line.strip() and not _BACKEND_LINE.match(line)]
    return _shown(printed[-1]) if printed else ""


def _own_line(lines: list[str], step: str) -> str:
    # The second task of a component is NAME-2, but its errors start with NAME.
    begins = tuple(f"{name}: " for name in {step, re.sub(r"_\d+$", "", step)})
    return next((line for line in reversed(lines) if line.startswith(begins)), "")


def _exception(lines: list[str]) -> str:
    starts = [number for number, line in enumerate(lines) if line.strip() == _TRACEBACK]
    after = lines[starts[-1] + 1 :] if starts else []
    return next((line for line in after if line.strip() and not line[0].isspace()), "")


def _backends_line(lines: list[str]) -> str:
    said = [found for found in map(_BACKEND_LINE.match, lines) if found and found["level"] in "EF"]
    messages = [found["message"] for found in said if not _ENDED_BY_ITSELF.search(found["message"].strip())]
    return messages[-1] if messages else ""


def _shown(line: str) -> str:
    return short(redact(line), MAX_ERROR_LENGTH)
