"""What is checked before a run starts: open files, SOCKS proxies, long values."""

from __future__ import annotations

import importlib.util
import resource
import subprocess
import sys
from collections.abc import Callable

import pytest

from kfp_azureml.compiling.lengths import check_lengths
from kfp_azureml.local import prerequisites
from kfp_azureml.local.prerequisites import OPEN_FILES, allow_open_files, check_proxies
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


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def remove(module: str) -> None:
        known = importlib.util.find_spec
        monkeypatch.setattr(
            prerequisites.importlib.util, "find_spec", lambda name: None if name == module else known("os")
        )

    return remove


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "http_proxy"])
@pytest.mark.parametrize("scheme", ["socks5h", "socks5", "SOCKS4"])
def test_a_socks_proxy_that_nobody_here_speaks_is_refused(
    without: Callable[[str], None], name: str, scheme: str
) -> None:
    without("socksio")
    with pytest.raises(PipelineError, match=f"^{name} is a SOCKS proxy, which needs socksio: pip install socksio"):
        check_proxies({name: f"{scheme}://127.0.0.1:1080"})


def test_other_proxies_and_exceptions_are_none(without: Callable[[str], None]) -> None:
    without("socks")
    check_proxies({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "socks.example.com", "SOCKS": "socks5://x"})
    without("nothing")
    check_proxies({"ALL_PROXY": "socks5h://127.0.0.1:1080"})


@pytest.mark.parametrize("value", ["x" * 150_000, "ü" * 30_000, ["x" * 70_000, "y" * 70_000], {"a": "\n" * 70_000}])
def test_a_value_that_no_process_can_be_given_is_refused(value: object) -> None:
    with pytest.raises(PipelineError, match=r"^parameter text: 1\d\d,\d{3} bytes are too long for a step"):
        check_lengths({"n": 1, "text": value})


def test_a_long_value_that_fits_is_taken() -> None:
    check_lengths({"text": "x" * 120_000})
