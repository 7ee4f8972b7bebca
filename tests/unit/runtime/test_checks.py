"""Checks run at the same time, wait for those that they need, and end in time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from kfp_azureml.runtime.checks import Check, Outcome, State, failed, passed, run_checks, skipped, warning
from kfp_azureml.runtime.errors import WorkspaceError


def states(*checks: Check, **timeouts: float) -> dict[str, State]:
    return {result.name: result.state for result in run_checks(checks, **timeouts)}


def test_independent_checks_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=30)

    def meet(_: Mapping[str, Any]) -> Outcome:
        both.wait()
        return passed("met")

    assert states(Check("a", meet), Check("b", meet)) == {"a": State.OK, "b": State.OK}


def test_a_check_gets_what_those_before_it_found() -> None:
    seen: list[Mapping[str, Any]] = []

    def look(found: Mapping[str, Any]) -> Outcome:
        seen.append(found)
        return passed("")

    first = Check("a", lambda _: warning("", "mend", found=1))
    second = Check("b", lambda _: failed("", "mend"))
    third = Check("c", lambda _: skipped("does not apply"))
    states(first, second, third, Check("d", look, needs=("a", "c", "not-part-of-it"), after=("b",)))
    assert seen == [{"a": 1, "b": None, "c": None}]


def test_what_needs_a_failed_check_waits_for_it_in_vain() -> None:
    a = Check("a", lambda _: failed("broken", "mend it"))
    b = Check("b", lambda _: passed(""), needs=("a",))
    c = Check("c", lambda _: passed(""), needs=("b",))
    other = Check("other", lambda _: passed("there"))
    results = {result.name: result for result in run_checks([a, b, c, other])}
    assert (results["a"].state, results["a"].mend, results["other"].state) == (State.FAILED, "mend it", State.OK)
    assert (results["b"].state, results["b"].message) == (State.SKIPPED, "not checked: waits for a")
    assert results["c"].message == "not checked: waits for a"


@pytest.mark.parametrize("error", [WorkspaceError("no such thing"), ValueError("a bug")])
def test_an_error_is_a_finding_of_its_check(error: Exception) -> None:
    def look(_: Mapping[str, Any]) -> Outcome:
        raise error

    broken, fine = run_checks([Check("broken", look, "mend it"), Check("fine", lambda _: passed(""))])
    assert (broken.state, fine.state) == (State.FAILED, State.OK)
    assert str(error) in broken.message
    assert broken.mend == ("mend it" if isinstance(error, WorkspaceError) else broken.mend)
    assert "report" in broken.mend or broken.mend == "mend it"


@pytest.mark.parametrize("timeouts", [{"each": 0.05}, {"total": 0.05}])
def test_a_check_without_an_answer_fails_and_the_others_go_on(timeouts: dict[str, float]) -> None:
    release = threading.Event()

    def hang(_: Mapping[str, Any]) -> Outcome:
        release.wait(60)
        return passed("too late")

    try:
        hung, after, fine = run_checks(
            [
                Check("hung", hang, "curl it"),
                Check("after", lambda _: passed(""), needs=("hung",)),
                Check("fine", lambda _: passed("")),
            ],
            **timeouts,
        )
    finally:
        release.set()
    assert (hung.state, hung.mend) == (State.FAILED, "curl it")
    assert "timeout" in hung.message
    assert (after.state, fine.state) == (State.SKIPPED, State.OK)


def test_results_are_one_line_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZ_CLIENT_SECRET", "s3cr3t-value-123")
    (result,) = run_checks([Check("a", lambda _: failed("a\x1b[31m\nb s3cr3t-value-123", "sig=abcdefgh"))])
    assert result.message == "a b ***"
    assert "abcdefgh" not in result.mend
