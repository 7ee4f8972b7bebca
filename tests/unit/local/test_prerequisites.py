"""What is checked before a run starts: open files and long values."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from kfp_azureml.compiling.argument_size import check_sizes
from kfp_azureml.local.prerequisites import OPEN_FILES, allow_open_files
from kfp_azureml.runtime.errors import PipelineError

ALLOW = (
    "import resource\n"
    "from kfp_azureml.local.prerequisites import *\nfrom kfp_azureml.runtime.errors import PipelineError\n"
    "try: allow_open_files(); print(*resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    "except PipelineError as error: print(error)\n"
)


def allowed(limit: tuple[int, int]) -> str:
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)

    done = subprocess.run([sys.executable, "-c", ALLOW], preexec_fn=lower, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_limit_of_open_files_is_raised_as_far_as_is_allowed() -> None:
    assert allowed((64, OPEN_FILES * 2)) == f"{OPEN_FILES} {OPEN_FILES * 2}"
    assert allowed((64, 300)) == "300 300"
    assert allowed((OPEN_FILES + 1, OPEN_FILES + 1)) == f"{OPEN_FILES + 1} {OPEN_FILES + 1}"


def test_too_low_a_limit_is_refused() -> None:
    assert allowed((64, 64)).startswith("the limit of open files is 64, and a run needs 256: raise it")


def test_this_process_has_enough() -> None:
    allow_open_files()


@pytest.mark.parametrize("value", ["x" * 150_000, "ü" * 30_000, ["x" * 70_000, "y" * 70_000], {"a": "\n" * 70_000}])
def test_a_value_that_no_process_can_be_given_is_refused(value: object) -> None:
    with pytest.raises(
        PipelineError, match=r"^parameter text: 1\d\d,\d{3} bytes exceed the limit of a command-line argument"
    ):
        check_sizes({"n": 1, "text": value})


def test_a_long_value_that_fits_is_taken() -> None:
    check_sizes({"text": "x" * 120_000})
