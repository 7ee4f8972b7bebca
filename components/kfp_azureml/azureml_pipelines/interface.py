"""Describe an Azure ML component's interface, for `aml components get` and `help()`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.ai.ml.entities import Component


def interface(component: Component) -> str:
    """Return a component's description, inputs and outputs as text."""
    lines = [f"{component.name}, version {component.version}: {component.display_name or component.name}"]
    if component.description:
        lines.append(component.description)
    lines += ["", "Inputs:", *_ports(component.inputs), "", "Outputs:", *_ports(component.outputs)]
    return "\n".join(lines)


def _ports(ports: dict[str, Any]) -> Iterator[str]:
    width = max(map(len, ports), default=0)
    for name, port in ports.items():
        kind = str(port.type)
        default = getattr(port, "default", None)
        if default is not None:
            kind += f" = {default}"
        elif getattr(port, "optional", False):
            kind += ", optional"
        text = f"  {name:{width}}  {kind}"
        yield f"{text}: {port.description}" if port.description else text
