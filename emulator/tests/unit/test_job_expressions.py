from __future__ import annotations

import pytest

from azureml_emulator.control_plane.arm import ArmError
from azureml_emulator.jobs.expressions import expressions_in, render_command

VALUES = {"inputs.data": "/in/data", "inputs.n": "3 4", "outputs.model": "/out/model"}


@pytest.mark.parametrize(
    ("command", "rendered"),
    [
        ("train --data ${{inputs.data}} --out ${{ outputs.model }}", "train --data /in/data --out /out/model"),
        ("echo ${{inputs.n}} '${{inputs.n}}'", "echo 3 4 '3 4'"),
        ("train $[[--n ${{inputs.n}}]] $[[--seed ${{inputs.seed}}]]", "train --n 3 4 "),
        ("train $[[--n ${{inputs.n}} --seed ${{inputs.seed}}]]end", "train end"),
        ("a\n$[[--n\n${{inputs.n}}]]", "a\n--n\n3 4"),
        ("echo $HOME ${HOME} $((1 + 2)) [[ a ]]", "echo $HOME ${HOME} $((1 + 2)) [[ a ]]"),
    ],
)
def test_a_command_gets_its_values(command: str, rendered: str) -> None:
    assert render_command(command, VALUES) == rendered


def test_what_was_not_given_is_named() -> None:
    with pytest.raises(ArmError, match=r"\$\{\{inputs.seed\}\}") as refusal:
        render_command("train --seed ${{inputs.seed}}", VALUES)
    assert refusal.value.status == 400


def test_expressions_are_found_in_a_text() -> None:
    found = expressions_in("${{parent.inputs.a}}-${{parent.jobs.b-1.outputs.c}} ${x} ${{}}")

    assert found == ["parent.inputs.a", "parent.jobs.b-1.outputs.c"]
