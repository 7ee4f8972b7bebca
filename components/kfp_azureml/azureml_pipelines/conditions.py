"""Parse compiled conditions of `dsl.If`, and make the Azure ML component that evaluates one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kfp_azureml import __version__
from kfp_azureml.azureml_pipelines.definition import refusal
from kfp_azureml.azureml_pipelines.parameters import PRIMITIVES
from kfp_azureml.azureml_pipelines.spec import SCHEMA, Spec

OUTPUT = "is_met"
"""Output of a condition's job."""

_OPERAND = r"(?:(?:double|int)\()*(?:inputs\.parameter_values\['[^']+'\]|'[^']*'|-?[0-9.e+-]+|true|false)\)*"
_TERM = re.compile(rf"(!\()?({_OPERAND}) (==|!=|<=|>=|<|>) ({_OPERAND})(?(1)\))")
_KINDS = {"BOOLEAN": "boolean", "NUMBER_DOUBLE": "number", "NUMBER_INTEGER": "number"}
_INPUT = re.compile(r"inputs\.parameter_values\['([^']+)'\]")


@dataclass(frozen=True)
class Term:
    """A comparison.

    Attributes:
        left: Left operand: a literal, or a channel's name if `left_is_input`.
        comparison: `==`, `!=`, `<`, `<=`, `>` or `>=`.
        right: Right operand: a literal, or a channel's name if `right_is_input`.
        kind: Type of the comparison: string, number or boolean.
        negated: Whether the comparison is negated.
        left_is_input: Whether left is an input of the group of steps.
        right_is_input: Whether right is an input of the group of steps.
    """

    left: str
    comparison: str
    right: str
    kind: str
    negated: bool = False
    left_is_input: bool = False
    right_is_input: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs among the operands."""
        sides = ((self.left, self.left_is_input), (self.right, self.right_is_input))
        return tuple(name for name, is_input in sides if is_input)


def parse_condition(name: str, text: str, types: Mapping[str, str]) -> tuple[Term, ...]:
    """Parse a compiled condition: comparisons that are combined with AND.

    Args:
        name: The group of steps, for errors.
        text: Such as `inputs.parameter_values['pipelinechannel--quality-gate-Output'] == 'accepted'`.
        types: KFP's types of the group's inputs, such as `NUMBER_DOUBLE`.

    Raises:
        PipelineError: If the condition is not supported.
    """
    terms = []
    rest = text
    while rest:
        match = _TERM.match(rest)
        if match is None:
            raise refusal(name, f"its condition is {text}")
        terms.append(_term(match, types))
        rest = rest[match.end() :]
        if rest and not rest.startswith(" && "):
            raise refusal(name, f"its condition is {text}")
        rest = rest.removeprefix(" && ")
    return tuple(terms)


def _term(match: re.Match[str], types: Mapping[str, str]) -> Term:
    negated, left, comparison, right = match.groups()
    inputs = [_INPUT.search(side) for side in (left, right)]
    names = [
        found[1] if found else side.removeprefix("'").removesuffix("'")
        for found, side in zip(inputs, (left, right), strict=True)
    ]
    kinds = [
        _KINDS.get(types.get(found[1], ""), "string") if found else _kind_of_literal(side)
        for found, side in zip(inputs, (left, right), strict=True)
    ]
    # The same promotion as in KFP's compiler.
    kind = next(each for each in ("string", "boolean", "number") if each in kinds)
    return Term(names[0], comparison, names[1], kind, bool(negated), bool(inputs[0]), bool(inputs[1]))


def _kind_of_literal(text: str) -> str:
    if text.startswith("'"):
        return "string"
    return "boolean" if text in ("true", "false") else "number"


def condition_spec(
    name: str, terms: Sequence[Term], inputs: Mapping[str, str], types: Mapping[str, str], image: str
) -> Spec:
    """Return the component whose job evaluates a condition.

    Args:
        name: The group of steps.
        terms: Its comparisons.
        inputs: The component's input names by channel.
        types: KFP's types by channel.
        image: An image with Python.
    """
    condition = " and ".join(map(_describe, terms))
    document: dict[str, Any] = {
        "$schema": SCHEMA,
        "type": "command",
        "name": f"decide_{name}",
        "version": __version__,
        "display_name": f"{name}?",
        "description": f"Whether {condition}.",
        "is_deterministic": True,
        "inputs": {given: {"type": PRIMITIVES[types[channel]]} for channel, given in inputs.items()},
        "outputs": {OUTPUT: {"type": "boolean"}},
        "environment": {"image": image},
        "command": f"python3 run_condition.py --output '${{{{outputs.{OUTPUT}}}}}'",
    }
    definition = {"condition": condition, "terms": [_as_json(term, inputs) for term in terms]}
    return Spec(document, definition, is_reusable=False)


def _as_json(term: Term, inputs: Mapping[str, str]) -> dict[str, Any]:
    def operand(text: str, is_input: bool) -> dict[str, str]:
        return {"input": inputs[text]} if is_input else {"value": text}

    return {
        "left": operand(term.left, term.left_is_input),
        "comparison": term.comparison,
        "right": operand(term.right, term.right_is_input),
        "negated": term.negated,
        "as": term.kind,
    }


def _describe(term: Term) -> str:
    text = f"{_short(term.left)} {term.comparison} {_short(term.right)}"
    return f"not {text}" if term.negated else text


def _short(text: str) -> str:
    return text.removeprefix("pipelinechannel--")
