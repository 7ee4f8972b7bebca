"""The command of a container component in Azure ML's words.

KFP's placeholders become Azure ML's expressions, which are put in as text and run by a shell: so every word stands in
single quotes. An input artifact may be a folder of Azure ML's, or what a step left there (see `run_component`): the
shell finds out. After the command each output artifact gets the `kfp.json` that `run_component` would write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from kfp_azureml.azureml_pipelines.definition import Definition, refusal
from kfp_azureml.azureml_pipelines.parameters import is_optional

_PLACEHOLDER = re.compile(r"\{\{\$(.*?)\}\}")
_KNOWN = re.compile(
    r"\.(?:inputs\.parameters\['(?P<value>\w+)'\]"
    r"|inputs\.artifacts\['(?P<given>\w+)'\]\.path"
    r"|outputs\.artifacts\['(?P<made>\w+)'\]\.path"
    r"|outputs\.parameters\['(?P<returned>\w+)'\]\.output_file"
    r"|(?P<run>pipeline_job_uuid|pipeline_job_name|pipeline_job_resource_name))"
)


def container_command(definition: Definition) -> str:
    """Return the command of a component with a container of its own.

    Args:
        definition: The component.

    Raises:
        PipelineError: If it uses a placeholder that Azure ML has nothing for, or has no command.
    """
    words = [*definition.container.get("command", []), *definition.container.get("args", [])]
    if not definition.container.get("command"):
        raise refusal(definition.name, "it has no command; Azure ML does not run an image's own entry point")
    lines = [
        f"export {variable['name']}={_quoted(definition, variable['value'])}"
        for variable in definition.container.get("env", [])
    ]
    used = " ".join(words)
    for name, artifact in definition.artifacts("inputs").items():
        if f"inputs.artifacts['{name}']" in used:
            text = _optional(f"${{{{inputs.{name}}}}}", bool(artifact.get("isOptional")))
            lines.append(
                f'in_{name}=\'{text}\'; if [ -f "$in_{name}/kfp.json" ]; then for each in "$in_{name}"/*; do '
                f'[ "$each" = "$in_{name}/kfp.json" ] || found=$each; done; in_{name}=$found; fi'
            )
    lines.append(" ".join(_words(definition, words)))
    for name, artifact in definition.artifacts("outputs").items():
        known = json.dumps({"type": artifact["artifactType"], "path": name, "metadata": {}})
        lines.append(f"printf '%s\\n' '{known}' > '${{{{outputs.{name}}}}}/kfp.json'")
    return " && ".join(lines)


def _words(definition: Definition, words: list[str]) -> Iterator[str]:
    for word in words:
        if word.startswith('{"IfPresent": '):
            yield from _if_present(definition, json.loads(word)["IfPresent"])
        elif word.startswith('{"Concat": '):
            parts = json.loads(word)["Concat"]
            if not all(isinstance(part, str) for part in parts):
                raise refusal(definition.name, "its command has a condition within a concatenation")
            yield _quoted(definition, "".join(parts))
        else:
            yield _quoted(definition, word)


def _if_present(definition: Definition, condition: dict[str, object]) -> Iterator[str]:
    name, then = str(condition["InputName"]), condition["Then"]
    parts = then if isinstance(then, list) else [then]
    if not all(isinstance(part, str) for part in parts):
        raise refusal(definition.name, f"its command has a condition within that on {name}")
    text = " ".join(_quoted(definition, str(part), sure=name) for part in parts)
    if _is_always_there(definition, name):
        yield text
    elif condition.get("Else"):
        raise refusal(definition.name, f"its command has an else where {name} is missing")
    else:
        yield f"$[[{text}]]"


def _is_always_there(definition: Definition, name: str) -> bool:
    parameter = definition.parameters("inputs").get(name)
    if parameter is not None:
        return not is_optional(parameter)
    return not definition.artifacts("inputs")[name].get("isOptional")


def _quoted(definition: Definition, text: str, sure: str = "") -> str:
    """Return a word for the shell.

    Args:
        definition: The component.
        text: The word, with KFP's placeholders.
        sure: An optional input that is known to be there.
    """

    def put_in(match: re.Match[str]) -> str:
        known = _KNOWN.fullmatch(match[1])
        if known is None:
            raise refusal(definition.name, f"its command has {match[0]}")
        if known["given"]:
            return f"'\"$in_{known['given']}\"'"
        if known["run"]:
            return "'\"$AZUREML_ROOT_RUN_ID\"'"
        if known["made"]:
            return f"${{{{outputs.{known['made']}}}}}/{known['made']}"
        if known["returned"]:
            return f"${{{{outputs.{known['returned']}}}}}"
        name = known["value"]
        there = name == sure or _is_always_there(definition, name)
        return _optional(f"${{{{inputs.{name}}}}}", not there)

    # What is not a placeholder is quoted first: afterwards there would be no telling the quotes apart.
    parts = _PLACEHOLDER.split(text)
    literals, placeholders = parts[::2], list(_PLACEHOLDER.finditer(text))
    pieces = [literals[0].replace("'", "'\\''")]
    for match, literal in zip(placeholders, literals[1:], strict=True):
        pieces += [put_in(match), literal.replace("'", "'\\''")]
    return f"'{''.join(pieces)}'"


def _optional(expression: str, optional: bool) -> str:
    return f"$[[{expression}]]" if optional else expression
