"""Text from elsewhere is made safe to print on a terminal."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from kfp_azureml import cli
from kfp_azureml.local.event_log import StepRecord
from kfp_azureml.local.screen import Screen
from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.runtime.redaction import RedactingFilter
from kfp_azureml.runtime.terminal import plain, say, short

EVIL = "\x1b]0;owned\x07\x1b[2Jgone\r"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("plain, ünïcode 日本 \t tab\nline", "plain, ünïcode 日本 \t tab\nline"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x9b31mred in eight bits", "red in eight bits"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;cm0gLXJm\x9cclipboard", "clipboard"),
        ("\x1bP$q\x1b\\device control", "device control"),
        ("\x1bcreset", "reset"),
        ("\x1b(0charset", "charset"),
        ("\x1b]unfinished\nnext line", "\nnext line"),
        ("at the end \x1b", "at the end "),
        ("bell\x07, back\x08\x08, null\x00, delete\x7f", "bell, back, null, delete"),
        ("20 %\r100 %\r\ndone", "20 %\n100 %\ndone"),
        ("vertical\x0btab\u2028separator", "vertical\ntab\nseparator"),
        ("right \u202eto left\u202c, isolated \u2066x\u2069", "right to left, isolated x"),
        ("half a \ud83d pair", "half a \ufffd pair"),
        ("\x1b\x1b[31mtwice", "twice"),
        ("split \x1b\x1b[0m[31m", "split [31m"),
    ],
)
def test_escapes_and_controls_are_taken_out(text: str, printed: str) -> None:
    assert plain(text) == printed


def test_what_remains_holds_no_escape_whatever_it_was_made_of() -> None:
    for length in range(1, 4):
        for number in range(5**length):
            pieces = ["\x1b", "[", "\x9d", "\r", "m"]
            text = "".join(pieces[number // 5**place % 5] for place in range(length))
            assert not set(plain(text)) & set("\x1b\x9d\r")


@pytest.mark.parametrize("end", ["", "\x07", "\x1b\\"])
def test_a_short_text_is_one_plain_line_of_bounded_length(end: str) -> None:
    assert short(f"a\x1b[2Jb\x9b31mc\x1b(B\x08\u202ed\n e \x1b]8;;http://x{end}") == "abcd e"
    assert short(f"a\x1b[2J{'b ' * 300}").endswith(" ...")
    assert short("a" * 10, 10) == "a" * 10
    assert short("a" * 11, 10) == f"{'a' * 10} ..."


def test_a_command_prints_no_escape_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"step {EVIL}")
    assert capsys.readouterr().out == "step gone\n\n"


def test_an_error_prints_no_escape_of_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise PipelineError(f"the server says {EVIL}")

    monkeypatch.setattr(cli, "commands", fail)
    with pytest.raises(SystemExit):
        cli.main()
    assert "\x1b" not in capsys.readouterr().err


def test_the_screen_of_a_run_prints_no_escape_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.StringIO()
    screen = Screen()
    monkeypatch.setattr(screen, "_console", Console(file=printed))
    screen.say(f"page {EVIL}")
    screen.show_step(StepRecord(f"train{EVIL}", 0.0, message=EVIL))
    screen.show_step(StepRecord(f"train{EVIL}", 0.0, state="failed", message=EVIL))
    assert "gone" in printed.getvalue()
    assert not set(printed.getvalue()) & set("\x1b\x07\r")


def test_a_log_prints_no_escape_of_others() -> None:
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "container says %s", (EVIL,), None)
    RedactingFilter().filter(record)
    assert record.getMessage() == "container says gone\n"
