"""Text from elsewhere is made safe to print on a terminal."""

from __future__ import annotations

import pytest

from kfp_azureml.terminal import plain


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
