"""Upload a folder to the workspace's storage, resumable by a path derived from its content.

The SDK's own upload rejects the leftovers of an interrupted one, and reads every file once more to hash it.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.azureml.blobs import container_of
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.runtime.step import progress, throttle

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

FILES_AT_ONCE = 4
PARTS_AT_ONCE = 2  # of one large file
REPORT_SECONDS = 10.0


def upload_files(client: MLClient, files: Mapping[str, Path], folder: str) -> str:
    """Upload files to a folder of the workspace's default datastore; skip files that are already there.

    Args:
        client: A client of the workspace.
        files: The files by their name in the folder.
        folder: The folder, whose name is derived from the content of all files.

    Returns:
        The folder's `azureml://` URI.

    Raises:
        AzureError: If the upload fails, or the default datastore is not a blob container.
    """
    datastore = retrying("reading the default datastore", lambda: client.datastores.get_default(include_secrets=True))
    sizes = {name: path.stat().st_size for name, path in files.items()}
    with container_of(datastore) as container:
        # Blobs are committed atomically: the right size means the right content.
        there = {blob.name: blob.size for blob in container.list_blobs(name_starts_with=f"{folder}/")}
        missing = [name for name in files if there.get(f"{folder}/{name}") != sizes[name]]

        def upload(name: str) -> str:
            def put() -> None:
                with files[name].open("rb") as stream:
                    container.upload_blob(
                        f"{folder}/{name}", stream, length=sizes[name], overwrite=True, max_concurrency=PARTS_AT_ONCE
                    )

            retrying(f"uploading {name}", put)
            return name

        pool = ThreadPoolExecutor(FILES_AT_ONCE)
        try:
            total, done, tell = sum(sizes[name] for name in missing), 0, throttle(REPORT_SECONDS)
            for future in as_completed([pool.submit(upload, name) for name in missing]):
                done += sizes[future.result()]
                if tell():
                    progress(f"uploaded {done / 1e6:.0f} of {total / 1e6:.0f} MB", done / max(total, 1))
        finally:
            # After a failure or signal, do not wait for queued files.
            pool.shutdown(wait=False, cancel_futures=True)
    return f"azureml://datastores/{datastore.name}/paths/{folder}"
