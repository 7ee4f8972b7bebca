"""How the results of checks are shown."""

from __future__ import annotations

from io import StringIO

from kfp_azureml.doctor.report import print_results
from kfp_azureml.runtime.checks import Result, State


def test_a_message_cannot_look_like_another_check():
    out = StringIO()

    print_results([Result("workspace", State.FAILED, "gone\nok       quota\x1b[2K\r", mend="do\nok       this")], out)

    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert not any(line.startswith("ok") for line in lines)
