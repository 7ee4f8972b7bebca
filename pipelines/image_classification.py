"""The suite's main pipeline: images to a live endpoint.

prep -> train -> score -> quality gate -> register -> deploy. Below the gate the model is reported as rejected, and
neither registered nor deployed; the run succeeds.
"""

from typing import Any

from kfp import dsl

from kfp_azureml.aml_deploy_model import component as deploy_face
from kfp_azureml.aml_preflight import component as preflight_face
from kfp_azureml.aml_register_model import component as register_face
from kfp_azureml.azcreds import SECRET_NAME, use_azure_secret
from kfp_azureml.compiling import PipelineOptions
from kfp_azureml.imagesets.fashion_mnist import ADDRESS
from kfp_azureml.prep import component as prep_face
from kfp_azureml.quality_gate import component as gate_face
from kfp_azureml.score import component as score_face
from kfp_azureml.train import component as train_face


def build_pipeline(options: PipelineOptions) -> Any:
    """Return the pipeline, ready to be compiled.

    Args:
        options: Registry and tag of the images.
    """

    @dsl.pipeline(
        name="image-classification",
        display_name="Image classification to Azure ML",
        description="Prepare images, train and score a Keras classifier, register it in Azure ML and bring it live.",
    )
    def image_classification(
        input_data: str = ADDRESS,
        data_version: str = "",
        use_azure_credentials: bool = False,
        class_names: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs the default itself
        epochs: int = 10,
        architecture: str = train_face.DEFAULT_ARCHITECTURE,
        batch_size: int = 256,
        seed: int = 13,
        min_accuracy: float = 0.9,
        model_name: str = "fashion-mnist",
        endpoint_name: str = "",
        resource_group: str = "",
        workspace: str = "",
        azure_secret: str = SECRET_NAME,
        instance_type: str = "",
        instance_count: int = 1,
    ) -> None:
        workspace_of = {"resource_group": resource_group, "workspace": workspace}
        checked = preflight_face.aml_preflight(
            model_name=model_name,
            endpoint_name=endpoint_name,
            data_version=data_version,
            run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            **workspace_of,
        )
        prepared = prep_face.prep(
            input_data=input_data,
            class_names=class_names,
            data_version=checked.output,
            use_azure_credentials=use_azure_credentials,
        )
        use_azure_secret(prepared, azure_secret)
        trained = train_face.train(
            input_data=prepared.outputs["training_data"],
            epochs=epochs,
            architecture=architecture,
            batch_size=batch_size,
            seed=seed,
        )
        scored = score_face.score(input_data=prepared.outputs["test_data"], input_model=trained.outputs["output_model"])
        judged = gate_face.quality_gate(accuracy=scored.outputs["Output"], min_accuracy=min_accuracy)
        with dsl.If(judged.outputs["Output"] == "accepted", name="accepted"):
            registered = register_face.aml_register_model(
                model=trained.outputs["output_model"],
                score_result=scored.outputs["output_result"],
                model_name=model_name,
                run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
                **workspace_of,
            )
            deployed = deploy_face.aml_deploy_model(
                model_name=registered.outputs["name"],
                model_version=registered.outputs["version"],
                score_result=scored.outputs["output_result"],
                endpoint_name=endpoint_name,
                instance_type=instance_type,
                instance_count=instance_count,
                run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
                **workspace_of,
            )

        for task, face in (
            (prepared, prep_face),
            (trained, train_face),
            (scored, score_face),
            (judged, gate_face),
        ):
            task.set_display_name(face.DISPLAY_NAME).set_container_image(options.ml_image)
        for task, face in ((checked, preflight_face), (registered, register_face), (deployed, deploy_face)):
            task.set_display_name(face.DISPLAY_NAME).set_container_image(options.azure_image)
            # The cache does not know of the environment nor of what is in the cloud.
            use_azure_secret(task, azure_secret).set_caching_options(False)

    return image_classification
