"""Find out in which form data has its images, and open it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from kfp_azureml.imagesets.idx import file_names
from kfp_azureml.imagesets.source import Source, open_source
from kfp_azureml.runtime.errors import DataError

if TYPE_CHECKING:
    from kfp_azureml.imagesets.collection import Collection

INPUT_FORMATS = ("idx", "folders", "table", "mltable", "parquet", "npz")
"""Values of `input_format`; archives are looked into."""

EXPECTED = (
    "class folders (cat/, dog/ or train/cat/, test/cat/), a table of paths and labels, an MLTable folder, Parquet "
    "files of images, a .npz file, an archive of these, or the four idx files"
)

_ENDINGS = {
    **dict.fromkeys((".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"), "archive"),
    **dict.fromkeys((".csv", ".tsv", ".jsonl", ".ndjson"), "table"),
    ".parquet": "parquet",
    ".npz": "npz",
}
_IDX_NAMES = tuple(
    name for subset in ("train", "t10k") for kind in ("images", "labels") for name in file_names(subset, kind)
)


class Access(NamedTuple):
    """How other data that a table names is read.

    Attributes:
        locate: Resolves azureml:// addresses.
        use_azure_credentials: Read addresses in Azure storage with credentials.
        scratch: Folder for temporary files.
    """

    locate: Callable[[str], str]
    use_azure_credentials: bool
    scratch: Path


def file_kind(name: str) -> str:
    """Return what a file is by its ending: archive, table, parquet or npz; empty if it is none of these."""
    return next((kind for ending, kind in _ENDINGS.items() if name.lower().endswith(ending)), "")


def split_file(input_data: str) -> tuple[str, str]:
    """Return the folder of `input_data` and its file; without a file if it is a folder.

    The query of a web address stays with the folder.

    Raises:
        DataError: If a file on this machine does not exist.
    """
    if "://" not in input_data or input_data.lower().startswith("file://"):
        scheme, _, rest = input_data.rpartition("://")
        path = Path(unquote(rest)) if scheme else Path(rest)
        if file_kind(path.name) and not path.exists():
            raise DataError(f"{path}: no such file")
        return (str(path.parent), path.name) if file_kind(path.name) and path.is_file() else (input_data, "")
    is_web = input_data.lower().startswith(("http://", "https://"))
    address, mark, query = input_data.partition("?") if is_web else (input_data, "", "")
    folder, _, name = address.rpartition("/")
    return (f"{folder}/{mark}{query}", name) if file_kind(name) else (input_data, "")


def may_have_idx(source: Source) -> bool:
    """Return whether a folder lists one of the idx files, or cannot be listed, as on web servers."""
    return source.lists_any(_IDX_NAMES) in (True, None)


@contextmanager
def open_images(input_data: str, input_format: str, access: Access) -> Iterator[Source | Collection]:
    """Yield the images of a folder or a file: a `Source` with the four idx files, else a `Collection`.

    Args:
        input_data: A path or URI of a folder, an archive, a table, a Parquet or a NumPy file.
        input_format: One of `INPUT_FORMATS`; empty detects it.
        access: How other data is read.

    Raises:
        DataError: If there are no images, or not in this form; the message says what is there.
        CredentialsError: If the credentials are incomplete.
    """
    folder, file = split_file(input_data)
    source = open_source(folder, use_azure_credentials=access.use_azure_credentials)
    with ExitStack() as stack:
        if not file and not input_format and may_have_idx(source):
            yield source
            return
        if archives := _archives(source, file):
            from kfp_azureml.imagesets.archives import open_archives

            source = stack.enter_context(open_archives(source, archives, access.scratch))
            file = ""
        form = input_format or _detect(source, file, access)
        yield source if form == "idx" else _open(source, file, form, access, stack)


def _open(source: Source, file: str, form: str, access: Access, stack: ExitStack) -> Collection:
    if form == "folders":
        from kfp_azureml.imagesets.class_folders import find_class_folders

        return find_class_folders(source)
    if form == "npz":
        from kfp_azureml.imagesets.npz import open_npz

        return stack.enter_context(open_npz(source, file or _only_npz(source), access.scratch))
    from kfp_azureml.imagesets.image_tables import is_parquet, open_image_tables
    from kfp_azureml.imagesets.mltable import mltable_files
    from kfp_azureml.imagesets.tables import image_tables, list_tables, read_tables, table_named

    if form == "parquet":
        tables = [table_named(file)] if file else list_tables(source, is_parquet)
        if not tables:
            raise DataError(f"{source.uri}: no Parquet files; found {source.enumerate_entries()}")
        return stack.enter_context(open_image_tables(source, tables, access.scratch))
    if form == "mltable":
        tables = mltable_files(source)
    else:
        tables = [table_named(file)] if file else list_tables(source)
        # Others may lie beside it; with none, the error says what the first one has.
        tables = image_tables(source, tables, access.scratch) or tables[:1]
    if not tables:
        raise DataError(f"{source.uri}: no table of images; found {source.enumerate_entries()}")
    return read_tables(source, tables, access.locate, access.use_azure_credentials, access.scratch)


def _detect(source: Source, file: str, access: Access) -> str:
    """Return the form of the images in a folder or a file."""
    from kfp_azureml.imagesets.class_folders import has_class_folders
    from kfp_azureml.imagesets.collection import list_entries
    from kfp_azureml.imagesets.image_tables import has_images, is_parquet
    from kfp_azureml.imagesets.mltable import FILE
    from kfp_azureml.imagesets.tables import image_tables, list_tables, table_named

    if file and file_kind(file) in ("table", "npz"):
        return file_kind(file)
    if not file:
        if source.lists_any(_IDX_NAMES):
            return "idx"
        if FILE in list_entries(source, ""):
            return "mltable"
        if _npz_files(source):
            return "npz"
    parquet = [table_named(file)] if file else list_tables(source, is_parquet)
    if parquet and has_images(source, parquet[0], access.scratch):
        return "parquet"
    if file or image_tables(source, list_tables(source), access.scratch):
        return "table"
    if has_class_folders(source):
        return "folders"
    raise DataError(f"{source.uri}: no image set found; expected {EXPECTED}; found {source.enumerate_entries()}")


def _archives(source: Source, file: str) -> dict[str, str]:
    """Return the archives to look into, each with the folder for its files; empty if there are none.

    In a folder, these are a single archive, or one for each set, if there are no folders beside them.
    """
    from kfp_azureml.imagesets.archives import archive_stem
    from kfp_azureml.imagesets.collection import list_entries, subset_named

    if file:
        return {file: ""} if file_kind(file) == "archive" else {}
    entries = list_entries(source, "")
    archives = sorted(name for name, is_folder in entries.items() if not is_folder and file_kind(name) == "archive")
    if any(entries.values()) or not archives:
        return {}
    if len(archives) == 1:
        return {archives[0]: ""}
    stems = {name: archive_stem(name) for name in archives}
    if other := [name for name, stem in stems.items() if not subset_named(stem)]:
        raise DataError(
            f"{source.uri}: {len(archives)} archives, such as {other[0]}; expected one, or train and test, such as "
            "train.zip"
        )
    return stems


def _npz_files(source: Source) -> list[str]:
    from kfp_azureml.imagesets.collection import list_entries

    return sorted(
        name for name, is_folder in list_entries(source, "").items() if not is_folder and file_kind(name) == "npz"
    )


def _only_npz(source: Source) -> str:
    names = _npz_files(source)
    if len(names) != 1:
        found = ", ".join(names) if names else source.enumerate_entries()
        raise DataError(f"{source.uri}: expected one .npz file; found {found}")
    return names[0]
