"""Summary of a registration, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfp_azureml.azureml.markdown import code, items, link

if TYPE_CHECKING:
    from kfp_azureml.steps.aml_register_model.register import RegisteredModel


def format_summary(registered: RegisteredModel) -> str:
    """Return the summary."""
    page = link(f"{registered.name}:{registered.version}", registered.studio_url)
    text = f"{page} is registered in Azure Machine Learning, as {code(registered.id)}.\n"
    if registered.tags:
        text += f"\nIts tags:\n\n{items(registered.tags)}\n"
    return text
