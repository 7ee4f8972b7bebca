"""Uploading a folder to the workspace's storage, under a path that is its content's: again finds what is there.

The SDK uploads, too, when it is given a local path. But where it was killed half-way it refuses its own leftovers, and
it reads every file once more, to hash it.
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
    """Upload files into a folder of the workspace's default datastore; those that are there are passed over.

    Args:
        client: A client of the workspace.
        files: The files by their names in the folder.
        folder: The folder, named after the content of all of them, so that nothing else is ever in it.

    Returns:
        The folder's `azureml://` address.

    Raises:
        AzureError: If the storage does not take them, or there is no default blob datastore.
    """
    datastore = retrying("reading the default datastore", lambda: client.datastores.get_default(include_secrets=True))
    sizes = {name: path.stat().st_size for name, path in files.items()}
    with container_of(datastore) as container:
        # A blob is committed as a whole: if it has the size, it has the content.
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
            # A failure or a signal does not wait for what is still in the queue.
            pool.shutdown(wait=False, cancel_futures=True)
    return f"azureml://datastores/{datastore.name}/paths/{folder}"
