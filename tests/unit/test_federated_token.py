"""The identity token of a GitHub workflow, in a file for azure-identity."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from http_double import Request, Response, json_response, serving

PROGRAM = Path(__file__).parents[1] / "azure" / "federated_token.py"
REQUEST_TOKEN = "the-requests-token"


class GitHub:
    """Issues numbered tokens, and answers the second request with an error."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def answer(self, request: Request) -> Response:
        self.asked.append(request)
        failed = len(self.asked) == 2
        return Response(500, b"<html>") if failed else json_response(200, {"value": f"token-{len(self.asked)}"})


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    double = GitHub()
    with serving(double.answer) as address:
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{address}/token?api-version=2.0")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield double


def test_it_is_written_once_for_this_user_only(github: GitHub, tmp_path: Path) -> None:
    subprocess.run([sys.executable, PROGRAM, tmp_path / "token"], check=True, timeout=60)
    assert (tmp_path / "token").read_text() == "token-1"
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    (asked,) = github.asked
    assert asked.headers["Authorization"] == f"Bearer {REQUEST_TOKEN}"
    assert asked.query == {"api-version": ["2.0"], "audience": ["api://AzureADTokenExchange"]}
    assert os.listdir(tmp_path) == ["token"]  # noqa: PTH208 - names


def test_it_is_renewed_past_a_failure(github: GitHub, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, PROGRAM, tmp_path / "token", "0.1"], stderr=subprocess.PIPE, text=True
    ) as renewing:
        until = time.monotonic() + 60
        while len(github.asked) < 4 and time.monotonic() < until:
            time.sleep(0.05)
        renewing.kill()
        assert renewing.stderr
        assert renewing.stderr.read().startswith("token not renewed (HTTPError), next try in 0.1 s\n")
    assert (tmp_path / "token").read_text() in {"token-3", "token-4", "token-5"}


def test_a_step_fails_that_has_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)
    done = subprocess.run([sys.executable, PROGRAM, tmp_path / "token"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert not (tmp_path / "token").exists()
