"""The Kubeflow face of prep."""

from kfp import dsl
from kfp.dsl import Dataset, Output

from kfp_azureml.images import ML_IMAGE

DISPLAY_NAME = "Prep Data"


@dsl.component(base_image=ML_IMAGE, install_kfp_package=False)
def prep(
    training_data: Output[Dataset],
    test_data: Output[Dataset],
    input_data: str,
    output_format: str = "parquet",
    class_names: list[str] = [],  # noqa: B006 - kfp needs the default itself
    data_version: str = "",  # noqa: ARG001 - a part of the cache key only
    use_azure_credentials: bool = False,
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
) -> None:
    """Turn the four idx files of an image set into a training and a test set.

    Every file is checked; damaged or inconsistent data fails the step with one line that names the file.

    Args:
        training_data: The training set: Parquet, or the CSV of the baseline.
        test_data: The test set, in the same format.
        input_data: The folder or URI of the idx files, raw or gzipped, under their usual names. Schemes: none or file,
            http, https, abfss, wasbs, az, s3. Or a name in Azure ML: azureml:NAME:VERSION, azureml:NAME@latest or
            azureml://datastores/NAME/paths/PATH.
        output_format: `parquet`, or `csv`, which can hold square grey images only.
        class_names: The classes' names, in the order of the labels; their numbers when empty.
        data_version: Any text that changes when the data behind `input_data` does. It is only part of the cache key:
            the step itself does not look at it.
        use_azure_credentials: Read Azure storage with the secret azcreds, or with workload identity. A name in Azure ML
            is always read so.
        resource_group: The resource group of the workspace with such names; empty: that of the Azure ML job.
        workspace: The workspace's name; likewise.
        subscription_id: Its subscription; empty: from the secret azcreds, or the Azure ML job's.
    """
    from pathlib import Path

    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.prep.prep import prep_data

    with run_step("prep"):
        result = prep_data(
            input_data,
            Path(training_data.path),
            Path(test_data.path),
            output_format=output_format,
            class_names=class_names,
            use_azure_credentials=use_azure_credentials,
            resource_group=resource_group,
            workspace=workspace,
            subscription_id=subscription_id,
        )
        described = {"format": output_format, "image_shape": list(result.image_shape), "classes": list(result.classes)}
        training_data.metadata.update(described, images=result.training_images)
        test_data.metadata.update(described, images=result.test_images)
