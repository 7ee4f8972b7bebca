from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from azureml_emulator.machine.cache import cache_root, cached_folder


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZUREML_EMULATOR_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    assert cache_root() == Path("/home/ada/.cache/azureml-emulator")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_root() == Path("/cache/azureml-emulator")
    monkeypatch.setenv("AZUREML_EMULATOR_CACHE", "/own")
    assert cache_root() == Path("/own")


@pytest.mark.anyio
async def test_many_ask_and_one_makes(tmp_path: Path) -> None:
    made = 0

    async def make(folder: Path) -> None:
        nonlocal made
        made += 1
        await asyncio.sleep(0.05)
        (folder / "content").write_text("done")

    folders = await asyncio.gather(*(cached_folder(tmp_path / "a" / "b", make) for _ in range(3)))

    assert made == 1
    assert {(folder / "content").read_text() for folder in folders} == {"done"}


@pytest.mark.anyio
async def test_a_failure_leaves_nothing_and_can_be_mended(tmp_path: Path) -> None:
    async def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise ValueError("no")

    async def make(folder: Path) -> None:
        (folder / "whole").write_text("")

    with pytest.raises(ValueError, match="no"):
        await cached_folder(tmp_path / "a", fail)
    assert not (tmp_path / "a").exists()
    (tmp_path / "a.part").mkdir()
    (tmp_path / "a.part" / "left by a killed emulator").write_text("")

    folder = await cached_folder(tmp_path / "a", make)

    assert [path.name for path in folder.iterdir()] == ["whole"]
