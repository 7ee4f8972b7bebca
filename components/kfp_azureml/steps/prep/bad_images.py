"""What happens to files that cannot be used: the step fails, or they are skipped and listed."""

from __future__ import annotations

from kfp_azureml.imagesets.collection import BadImage, shown_name
from kfp_azureml.runtime.errors import DataError


class BadImages:
    """The files that cannot be used.

    Args:
        uri: Address of the data in messages.
        total: Number of all files.
        skip: Whether to skip them.
        max_fraction: Maximum share of all files that may be skipped.
    """

    def __init__(self, uri: str, total: int, *, skip: bool, max_fraction: float) -> None:
        self._uri = uri
        self._total = total
        self._skip = skip
        self._max_fraction = max_fraction
        self.skipped: list[BadImage] = []

    def add(self, bad: BadImage) -> None:
        """Note a file.

        Raises:
            DataError: If it may not be skipped, or too many would be.
        """
        bad = BadImage(shown_name(bad.name), bad.reason)
        if not self._skip:
            raise DataError(f"{_address(self._uri, bad.name)}: {bad.reason}; remove it, or set on_bad_image to skip")
        self.skipped.append(bad)
        if len(self.skipped) > self._max_fraction * self._total:
            raise DataError(
                f"{self._uri}: more than max_bad_fraction={self._max_fraction:g} of {self._total:,} files cannot be "
                f"used, such as {bad.name}: {bad.reason}; remove them, or set max_bad_fraction higher"
            )


def _address(uri: str, name: str) -> str:
    return name if "://" in name else f"{uri}/{name}"
