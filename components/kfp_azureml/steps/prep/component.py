"""KFP component prep."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Output

from kfp_azureml.images import ML_IMAGE

DISPLAY_NAME = "Prep Data"


@dsl.component(base_image=ML_IMAGE, install_kfp_package=False)
def prep(
    training_data: Output[Dataset],
    test_data: Output[Dataset],
    report: Output[HTML],
    input_data: str,
    output_format: str = "parquet",
    class_names: list[str] = [],  # noqa: B006 - kfp needs the default itself
    input_format: str = "",
    image_size: str = "",
    resize: str = "pad",
    channels: int = 0,
    test_fraction: float = 0.2,
    on_bad_image: str = "fail",
    max_bad_fraction: float = 0.1,
    data_version: str = "",  # noqa: ARG001 - a part of the cache key only
    use_azure_credentials: bool = False,
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
) -> None:
    """Turn the images of a folder, in any common form, into a training and a test set.

    Every file is validated; damaged or inconsistent data fails the step with one line that names the file.

    Args:
        training_data: Training set: Parquet, or the CSV of the original example.
        test_data: Test set, in the same format.
        report: HTML report: images by class, sizes, samples, skipped files, and duplicates in both sets.
        input_data: Folder, file or URI of the images. A local path, or a URI with scheme file, http, https, abfss,
            wasbs, az or s3. Or data in Azure ML: azureml:NAME:VERSION, azureml:NAME@latest or
            azureml://datastores/NAME/paths/PATH.
        output_format: `parquet`, or `csv` for square grey images.
        class_names: Class names in the order of the labels; empty uses the names in the data, or the labels' numbers.
        input_format: Form of the images: `idx`, `folders` with a folder per class, `table` of paths and labels,
            `mltable`, `parquet` with the images inside, or `npz`; empty detects it. Archives are looked into.
        image_size: Size to resize images to, HEIGHTxWIDTH or one number, in pixels; empty if all have the same. Not
            for idx files.
        resize: `pad` with black or `crop` at the centre, which keep the aspect ratio, or `stretch`.
        channels: 1 for grey, 3 for RGB, 0 for grey if all images are grey, else RGB. Not for idx files.
        test_fraction: Share of the images for the test set if the data has none, more than 0 and less than 1.
        on_bad_image: `fail` at the first file that cannot be used, or `skip` such files and list them in the report.
        max_bad_fraction: Maximum share of skipped files, 0 to 1; more fail the step.
        data_version: Version of the data behind `input_data`. Only part of the cache key; the step does not read it.
        use_azure_credentials: Read Azure storage with the azcreds secret or workload identity; always on for data in
            Azure ML.
        resource_group: Resource group of the workspace with data in Azure ML; empty selects that of the Azure ML job.
        workspace: Name of the workspace with data in Azure ML; empty selects that of the Azure ML job.
        subscription_id: Subscription of this workspace; empty takes it from the azcreds secret or the Azure ML job.
    """
    from pathlib import Path

    from kfp_azureml.azureml.workspace_name import WorkspaceName
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.prep.prep import prep_data
    from kfp_azureml.steps.prep.settings import ImageSettings

    with run_step("prep"):
        result = prep_data(
            input_data,
            Path(training_data.path),
            Path(test_data.path),
            output_format=output_format,
            class_names=class_names,
            images=ImageSettings(
                input_format, image_size, resize, channels, test_fraction, on_bad_image, max_bad_fraction
            ),
            use_azure_credentials=use_azure_credentials,
            workspace=WorkspaceName(resource_group, workspace, subscription_id),
            output_report=Path(report.path),
        )
        described = {"format": output_format, "image_shape": list(result.image_shape), "classes": list(result.classes)}
        training_data.metadata.update(described, images=result.training_images)
        test_data.metadata.update(described, images=result.test_images)
