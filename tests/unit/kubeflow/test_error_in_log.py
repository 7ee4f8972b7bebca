"""Which line of a step's log is shown as its error."""

import pytest

from kfp_azureml.kubeflow.error_in_log import MAX_ERROR_LENGTH, find_error, last_line

LAUNCHED = "I1127 20:59:26.123456       1 launcher_v2.go:164] input ComponentSpec:{"
ENDED = "E1127 20:59:28.000001       1 launcher_v2.go:447] Component failed to execute successfully: exit status 1"
FATAL = "F1127 20:59:28.000002      21 main.go:57] failed to execute component: exit status 1"
KILLED = "F1127 20:59:28.000002      21 main.go:57] failed to execute component: signal: killed"
TRACEBACK = (
    'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n    run()\nValueError: no such class'
)
PROGRESS = "2026-11-27 20:59:27,000 INFO epoch 3/10, loss 0.31"


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("INFO read\nprep: data/x: no such file", "prep: data/x: no such file"),
        # kfp's executor writes what was printed when the process ends, after the error.
        (f"prep: data/x: no such file\n{PROGRESS}\n", "prep: data/x: no such file"),
        (f"{LAUNCHED}\nprep: gone\n{ENDED}\n{FATAL}\n", "prep: gone"),
        ("prep: a first one\nprep: the last one", "prep: the last one"),
        ("prep: gone\r\n", "prep: gone"),
        ("preparation: fine\nprep : no\n", ""),
        (f"{TRACEBACK}\n{ENDED}\n{FATAL}", "ValueError: no such class"),
        (
            f"KeyError: 'a'\n{TRACEBACK}\n\nDuring handling\n\n{TRACEBACK.replace('ValueError', 'm.Late')}",
            "m.Late: no such class",
        ),
        ("Traceback (most recent call last):\n  cut off here", ""),
        (f"{PROGRESS}\n{KILLED}", "failed to execute component: signal: killed"),
        (f"{LAUNCHED}\n{FATAL.replace('exit status 1', 'bucket gone')}", "failed to execute component: bucket gone"),
        (f"{PROGRESS}\n{ENDED}\n{FATAL}", ""),
        ("\x1b[31mprep: red\x1b[0m \x1b]0;title\x07\x00end", "prep: red end"),
        ("", ""),
    ],
)
def test_the_line_that_says_why(log: str, error: str) -> None:
    assert find_error(log, "prep") == error


def test_a_component_that_is_used_again_says_its_own_name() -> None:
    assert find_error("train: no memory", "train_2") == "train: no memory"


def test_a_log_without_an_error_has_a_last_line() -> None:
    assert last_line(f"{LAUNCHED}\n{PROGRESS}\n\n{ENDED}\n{FATAL}\n") == PROGRESS
    assert last_line(f"{LAUNCHED}\n") == ""


def test_an_error_is_bounded_and_tells_no_secrets() -> None:
    assert len(find_error(f"prep: {'x' * 10**6}", "prep")) < MAX_ERROR_LENGTH + 10
    assert "AAAA" not in find_error(f"prep: refused: Bearer {'A' * 40}", "prep")
