"""Twenty concurrent registrations in processes: one version per content, the right one for each caller."""

from __future__ import annotations

import json
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from killing import start_step
from scenarios import MODEL, World
from tiny_classifier import write_tiny_model

AT_ONCE = 20
SECONDS = 120.0


def register_at_once(world: World, context: ForkServerContext, models: list[Path], folder: Path) -> list[str]:
    """Register models concurrently; return the version that each caller got."""
    outputs = [folder / f"{number}.json" for number in range(len(models))]
    processes = [
        start_step(
            context,
            "register",
            [
                *("--model", str(model), "--model-name", MODEL, "--registered-model", str(output)),
                *("--summary", str(output.with_suffix(".md")), *world.workspace),
            ],
            world.azure.emulator.environment,
        )
        for model, output in zip(models, outputs, strict=True)
    ]
    for process in processes:
        process.join(SECONDS)
        assert process.exitcode == 0
    return [json.loads(output.read_text())["version"] for output in outputs]


def versions(world: World) -> dict[str, str]:
    """Return the registered versions with the hash of their content."""
    found = world.azure.get(f"models/{MODEL}/versions?listViewType=All")["value"]
    return {one["name"]: one["properties"]["properties"]["kfp_azureml.content_sha256"] for one in found}


def test_equal_contents_are_one_version(world: World, kill_server: ForkServerContext, tmp_path: Path) -> None:
    assert set(register_at_once(world, kill_server, [world.model] * AT_ONCE, tmp_path)) == {"1"}
    assert versions(world).keys() == {"1"}


@pytest.mark.parametrize("copies", [1, 2])
def test_different_contents_are_different_versions(
    world: World, kill_server: ForkServerContext, tmp_path: Path, copies: int
) -> None:
    different = [write_tiny_model(tmp_path / f"model-{seed}", seed) for seed in range(AT_ONCE // copies)]
    told = register_at_once(world, kill_server, different * copies, tmp_path)
    registered = versions(world)
    assert len(registered) == len(set(registered.values())) == len(different)
    assert sorted(set(told)) == sorted(registered)
    # Callers with the same content got the same version.
    assert told == told[: len(different)] * copies
