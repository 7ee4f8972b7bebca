"""The shell of an Azure ML job never executes a user's value, whatever its path."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from azureml_emulator import EmulatorInfo
from azureml_jobs import aml
from hostile_texts import HOSTILE

PIPELINE = Path(__file__).parents[1] / "support" / "hostile_pipeline.py"
BY_HAND = """
import json, sys
from azure.ai.ml import Input, dsl
from kfp_azureml.azureml_pipelines import connect, stream_job

client = connect(*sys.argv[1:3])
keep = client.components.get("keep", "0.1.0")
texts = json.load(sys.stdin)

@dsl.pipeline()
def by_hand():
    for text in texts:
        keep(text=text, name="fashion-mnist")

submitted = client.jobs.create_or_update(by_hand(), compute="cpu-cluster", experiment_name="by-hand")
stream_job(client, submitted.name, say=lambda line: None)
print(submitted.name)
"""


def kept(azure: EmulatorInfo, job: str, to: Path) -> dict[str, list[object]]:
    done = aml(azure, "download", job, "--to", str(to))
    assert done.returncode == 0, done.stderr
    return {path.parents[1].name: json.loads(path.read_text()) for path in sorted(to.glob("*/kept/kept"))}


@pytest.mark.parametrize("text", ["x'; touch pwned; '\n$(touch pwned)\n`touch pwned`\\ ${{inputs.texts}}", ""])
def test_values_arrive_as_they_were_typed(azure: EmulatorInfo, tmp_path: Path, text: str) -> None:
    pwned = tmp_path / "pwned"
    text = text.replace("pwned", str(pwned))
    texts = [each.replace("pwned", str(pwned)) for each in HOSTILE]
    params = ("--param", f"text={text}", "--param", f"texts={json.dumps(texts)}", "--param", f"name={text}")
    done = aml(azure, "submit", str(PIPELINE), *params, "--stream")
    assert done.returncode == 0, done.stderr + done.stdout
    job = re.match(r"Job (\S+) ", done.stdout)
    assert job
    assert kept(azure, job[1], tmp_path / "results") == {
        "keep": [text, texts, text, f"<{text}>"],
        "keep_if": [text],
    }
    assert not pwned.exists()


def test_a_registered_component_takes_what_is_typed_by_hand(azure: EmulatorInfo, tmp_path: Path) -> None:
    registered = aml(azure, "components", "register", str(PIPELINE))
    assert registered.returncode == 0, registered.stderr
    pwned = tmp_path / "pwned"
    texts = ["fashion-mnist", "5", "-rf", f"two\nlines x'; touch {pwned}; '", f'a"b\\c$(touch {pwned})`touch {pwned}`']
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BY_HAND, azure.resource_group, azure.workspace],
        input=json.dumps(texts),
        env={**os.environ, **azure.environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    arrived = kept(azure, done.stdout.split()[-1], tmp_path / "results")
    assert sorted(arrived.values(), key=str) == sorted([[text, [], "", "fashion-mnist"] for text in texts], key=str)
    assert not pwned.exists()
