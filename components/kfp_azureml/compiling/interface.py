"""Describe a component's interface for its README."""

from __future__ import annotations

import re
from typing import Any


def interface(component: Any) -> str:
    """Describe a component in Markdown: summary, image, inputs and outputs.

    Args:
        component: A KFP component.
    """
    from docstring_parser import parse

    spec = component.component_spec
    documented = parse(component.python_func.__doc__)
    about = {argument.arg_name: " ".join((argument.description or "").split()) for argument in documented.params}
    returned = " ".join((documented.returns.description or "").split()) if documented.returns else ""
    image = spec.implementation.container.image

    lines = [documented.short_description or "", "", f"Image: `{image}`", ""]
    lines += ["| input | type | default | |", "|---|---|---|---|"]
    for name, given in (spec.inputs or {}).items():
        default = f"`{given.default!r}`" if given.optional and given.default is not None else ""
        default = default or ("optional" if given.optional else "required")
        lines.append(f"| `{name}` | {_type(given.type)} | {default} | {about.get(name, '')} |")
    lines += ["", "| output | type | |", "|---|---|---|"]
    values = [name for name, made in (spec.outputs or {}).items() if not made.type.startswith("system.")]
    for name, made in (spec.outputs or {}).items():
        text = (returned if len(values) == 1 else "") if name in values else about.get(name, "")
        lines.append(f"| `{name}` | {_type(made.type)} | {text} |")
    if len(values) > 1:
        lines += ["", f"{', '.join(f'`{name}`' for name in values)}: {returned}"]
    return "\n".join(lines)


def _type(name: str) -> str:
    return re.sub(r"^system\.|@.*$", "", name)
