"""KFP component aml_register_model."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Input, Markdown, Model, Output

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Register Model in Azure ML"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def aml_register_model(
    model: Input[Model],
    registered_model: Output[Artifact],
    summary: Output[Markdown],
    model_name: str,
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
    model_version: str = "",
    model_type: str = "",
    description: str = "",
    tags: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    run_id: str = "",
    # Not Optional[...]: kfp's executor calls the annotation where the backend names no type, which it does not.
    score_result: Input[Artifact] = None,
    params: Input[Artifact] = None,
) -> NamedTuple("Outputs", [("name", str), ("version", str), ("id", str)]):  # type: ignore[valid-type]
    """Register a model folder in Azure Machine Learning; the same name and content give the same version.

    Args:
        model: Model folder, from train or any other step.
        registered_model: Name, version, resource id, studio link and tags, as JSON and as metadata.
        summary: The same as Markdown.
        model_name: Name to register the model under.
        resource_group: Resource group of the workspace; empty reads the workspace's config.json.
        workspace: Name of the workspace; empty reads the workspace's config.json.
        subscription_id: Subscription of the workspace; empty takes it from the azcreds secret or config.json.
        model_version: Version to register; empty selects the next free number.
        model_type: custom_model, mlflow_model or triton_model; empty selects mlflow_model for a folder with the file
            MLmodel and no model.keras, which the suite's own entry script serves, and else custom_model.
        description: Description of the version.
        tags: Tags of the version.
        run_id: Pipeline run, kept in the version's properties; pass dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        score_result: Output of the score step; the model must be the scored one, and its metrics become tags.
        params: JSON file with one flat object, whose entries become tags.

    Returns:
        The registered model's name, version and Azure resource id.
    """
    from pathlib import Path

    from kfp_azureml.azureml.result_file import write_result
    from kfp_azureml.azureml.workspace_name import WorkspaceName
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.aml_register_model import register
    from kfp_azureml.steps.aml_register_model.summary import format_summary

    with run_step(register.NAME):
        registered = register.register_model(
            Path(model.path),
            workspace=WorkspaceName(resource_group, workspace, subscription_id),
            model_name=model_name,
            model_version=model_version,
            model_type=model_type,
            description=description,
            tags=tags,
            run_id=run_id,
            score_result=Path(score_result.path) if score_result else None,
            params=Path(params.path) if params else None,
        )
        write_result(registered, registered_model.path)
        registered_model.metadata.update(vars(registered))
        Path(summary.path).write_text(format_summary(registered))
        return registered.name, registered.version, registered.id
