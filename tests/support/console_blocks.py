"""Shell commands in Markdown."""

from __future__ import annotations

import re
import shlex

_BEFORE_A_COMMAND = {";", "&&", "||", "|", "(", ")", "<(", "{", "}", "do", "done"}


def commands(text: str) -> list[str]:
    """Return the commands in `console` blocks: the text after each prompt, with continuation lines."""
    found = []
    for block in re.findall(r"^ *```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        lines = iter(block.splitlines())
        for line in lines:
            if line.lstrip().startswith("$ "):
                command = line.lstrip().removeprefix("$ ")
                while command.endswith("\\"):
                    command += "\n" + next(lines)
                found.append(command)
    return found


def arguments_of(program: str, command: str) -> list[list[str]]:
    """Return the words after each call of a program in a command, `for` loops included."""
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    calls: list[list[str]] = []
    call: list[str] | None = None
    for word in [";", *lexer]:
        if word in _BEFORE_A_COMMAND:
            call = None
            starts = True
            continue
        if starts and word.rpartition("/")[2] == program:
            call = []
            calls.append(call)
        elif call is not None:
            call.append(word)
        starts = False
    return calls
