"""Turn images, in whatever form they come, into a training and a test set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.imagesets.input_formats import Access, open_images
from kfp_azureml.imagesets.source import Source, is_azureml_name
from kfp_azureml.runtime.errors import DataError
from kfp_azureml.runtime.outputs import atomic_file, atomic_folder
from kfp_azureml.runtime.step import progress, report
from kfp_azureml.steps.prep.data_report import write_report
from kfp_azureml.steps.prep.decoding_processes import DecodingProcesses
from kfp_azureml.steps.prep.idx_images import IdxImages, inspect_idx, shape_text
from kfp_azureml.steps.prep.result import PrepResult
from kfp_azureml.steps.prep.settings import ImageSettings
from kfp_azureml.steps.prep.write_set import FORMATS

if TYPE_CHECKING:
    from kfp_azureml.imagesets.collection import Collection
    from kfp_azureml.steps.prep.encoded_images import EncodedImages


def prep_data(
    input_data: str,
    training_data: Path,
    test_data: Path,
    *,
    output_format: str,
    class_names: Sequence[str],
    images: ImageSettings,
    use_azure_credentials: bool,
    workspace: WorkspaceName,
    output_report: Path | None,
) -> PrepResult:
    """Turn images into a training and a test set; the component has the arguments.

    What can be checked without decoding is checked before anything is written. In the end both output folders are
    complete, or neither exists.

    Raises:
        DataError: If the data is missing, damaged or inconsistent.
        OutputError: If an output folder is not empty, or cannot be written.
        CredentialsError: If only some of the Azure credentials are set.
        WorkspaceError: If the workspace of a name in Azure ML is not known.
    """
    _check_arguments(training_data, test_data, output_format, class_names)
    if is_azureml_name(input_data):
        input_data, use_azure_credentials = _locate(workspace, input_data), True
    access = Access(partial(_locate, workspace), use_azure_credentials, training_data.parent)

    with open_images(input_data, images.input_format, access) as found, DecodingProcesses() as processes:
        prepared = _inspect(found, class_names, images, processes)
        with atomic_folder(training_data) as training_part, atomic_folder(test_data) as test_part:
            findings = prepared.write(training_part, test_part, output_format)
            if output_report:
                with atomic_file(output_report) as page:
                    write_report(page, findings)
    result = findings.result()
    if result.duplicates:
        progress(f"{result.duplicates:,} training images are also in the test set: see the report")
    if result.skipped_images:
        progress(f"{result.skipped_images:,} files were skipped: see the report")
    progress(
        f"{result.training_images:,} training and {result.test_images:,} test images of "
        f"{shape_text(result.image_shape)}, {len(result.classes)} classes",
        1.0,
    )
    report(data_page=str(output_report) if output_report else None)
    return result


def _locate(workspace: WorkspaceName, address: str) -> str:
    from kfp_azureml.azureml.data_references import locate

    return locate(address, **workspace._asdict())


def _inspect(
    found: Source | Collection, class_names: Sequence[str], images: ImageSettings, processes: DecodingProcesses
) -> IdxImages | EncodedImages:
    """Check what can be checked without decoding images."""
    if isinstance(found, Source):
        checked = inspect_idx(found, class_names)
        if images.image_size or images.channels:
            raise DataError(f"{found.uri}: idx files keep their size and channels; omit image_size and channels")
        return checked
    from kfp_azureml.steps.prep.encoded_images import inspect_encoded

    return inspect_encoded(found, class_names, images, processes)


def _check_arguments(training_data: Path, test_data: Path, output_format: str, class_names: Sequence[str]) -> None:
    if output_format not in FORMATS:
        raise DataError(f"output_format is {output_format!r}; expected {' or '.join(FORMATS)}")
    duplicates = sorted({name for name in class_names if class_names.count(name) > 1})
    if duplicates:
        raise DataError(f"class_names contains {', '.join(duplicates)} more than once")
    one, other = training_data.resolve(), test_data.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise DataError(f"training_data {training_data} and test_data {test_data} must be separate folders")
