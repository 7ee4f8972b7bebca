"""Translate the command of a container component to an Azure ML command.

KFP's placeholders become shell variables, which the shell does not evaluate again; all other words are single-quoted.
Values come from environment variables (see `in_job/job_text.py`); only paths set by the service are inserted as text.
An input artifact may be any folder or one written by a step (see `run_component`); the shell code handles both. After
the command, the shell writes the same `kfp.json` for each output artifact as `run_component`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

from kfp_azureml.azureml_pipelines.definition import NAME, Definition, refusal
from kfp_azureml.azureml_pipelines.in_job.job_text import PARAMETER
from kfp_azureml.azureml_pipelines.parameters import is_optional

_PLACEHOLDER = re.compile(r"\{\{\$(.*?)\}\}")
_KNOWN = re.compile(
    r"\.(?:inputs\.parameters\['(?P<value>\w+)'\]"
    r"|inputs\.artifacts\['(?P<given>\w+)'\]\.path"
    r"|outputs\.artifacts\['(?P<made>\w+)'\]\.path"
    r"|outputs\.parameters\['(?P<returned>\w+)'\]\.output_file"
    r"|(?P<run>pipeline_job_uuid|pipeline_job_name|pipeline_job_resource_name))"
)


# `job_text.decode` in shell, for images without Python: it decodes $1 to `value`.
_DECODE = (
    "kfp_decode() { value= rest=$1; while case $rest in *'kfp.base64('*')'*) ;; *) false;; esac; do "
    "value=$value${rest%%'kfp.base64('*}; rest=${rest#*'kfp.base64('}; coded=${rest%%')'*}; rest=${rest#*')'}; "
    "command -v base64 >/dev/null || { echo 'the image has no base64, which this value needs' >&2; exit 1; }; "
    'if text=$(printf %s "$coded" | base64 -d 2>/dev/null && printf .); then value=$value${text%.}; '
    'else value="${value}kfp.base64($coded)"; fi; done; value=$value$rest; }'
)


def container_command(definition: Definition) -> str:
    """Return the Azure ML command of a container component.

    Args:
        definition: The component.

    Raises:
        PipelineError: If it has no command or uses an unsupported placeholder.
    """
    words = [*definition.container.get("command", []), *definition.container.get("args", [])]
    if not definition.container.get("command"):
        raise refusal(definition.name, "it has no command; Azure ML does not run an image's own entry point")
    environment = definition.container.get("env", [])
    for variable in environment:
        if not NAME.fullmatch(variable["name"]):
            raise refusal(definition.name, f"a shell has no environment variable {variable['name']!r}")
    used = " ".join([*words, *(variable["value"] for variable in environment)])
    lines = [
        *_values(definition, used),
        *_folders(definition, used),
        *(f"export {variable['name']}={_quoted(definition, variable['value'])}" for variable in environment),
        " ".join(_words(definition, words)),
    ]
    for name, artifact in definition.artifacts("outputs").items():
        known = json.dumps({"type": artifact["artifactType"], "path": name, "metadata": {}})
        lines.append(f"printf '%s\\n' {shlex.quote(known)} > '${{{{outputs.{name}}}}}/kfp.json'")
    return " && ".join(lines)


def _values(definition: Definition, used: str) -> Iterator[str]:
    """Yield shell code that sets variables to the values a command uses; missing values are empty."""
    names = [
        name
        for name in definition.parameters("inputs")
        if f"inputs.parameters['{name}']" in used or f'"InputName": "{name}"' in used
    ]
    if names:
        yield _DECODE
    for name in names:
        yield f'kfp_decode "${{{PARAMETER}{name}-}}" && in_{name}=$value'


def _folders(definition: Definition, used: str) -> Iterator[str]:
    for name, artifact in definition.artifacts("inputs").items():
        if f"inputs.artifacts['{name}']" in used or f'"InputName": "{name}"' in used:
            text = f"${{{{inputs.{name}}}}}"
            text = f"$[[{text}]]" if artifact.get("isOptional") else text
            yield (
                f'in_{name}=\'{text}\'; if [ -f "$in_{name}/kfp.json" ]; then for each in "$in_{name}"/*; do '
                f'[ "$each" = "$in_{name}/kfp.json" ] || found=$each; done; in_{name}=$found; fi'
            )


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
    text = " ".join(_quoted(definition, str(part)) for part in parts)
    if _is_always_there(definition, name):
        yield text
    elif condition.get("Else"):
        raise refusal(definition.name, f"its command has an else where {name} is missing")
    elif name in definition.parameters("inputs"):
        # An empty text is encoded, so the variable is not empty.
        yield f"${{{PARAMETER}{name}:+{text}}}"
    else:
        yield f"${{in_{name}:+{text}}}"


def _is_always_there(definition: Definition, name: str) -> bool:
    parameter = definition.parameters("inputs").get(name)
    if parameter is not None:
        return not is_optional(parameter)
    return not definition.artifacts("inputs")[name].get("isOptional")


def _quoted(definition: Definition, text: str) -> str:
    """Return a quoted shell word.

    Args:
        definition: The component.
        text: The word with KFP's placeholders.
    """

    def put_in(match: re.Match[str]) -> str:
        known = _KNOWN.fullmatch(match[1])
        if known is None:
            raise refusal(definition.name, f"its command has {match[0]}")
        if name := known["given"] or known["value"]:
            return f'"$in_{name}"'
        if known["run"]:
            return '"$AZUREML_ROOT_RUN_ID"'
        path = f"${{{{outputs.{known['made'] or known['returned']}}}}}"
        return f"'{path}/{known['made']}'" if known["made"] else f"'{path}'"

    literals = _PLACEHOLDER.split(text)[::2]
    pieces = [_literal(literals[0])]
    for match, literal in zip(_PLACEHOLDER.finditer(text), literals[1:], strict=True):
        pieces += [put_in(match), _literal(literal)]
    return "".join(piece for piece in pieces if piece != "''") or "''"


def _literal(text: str) -> str:
    """Quote a text so that the shell sees it as it is, and Azure ML no expression of its own in it."""
    return re.sub(r"\$(?=\{\{|\[\[)", "$''", shlex.quote(text))
