"""The commands of docs/own-images.md with containers; tests/images runs the others."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from examples.emoji_images.emoji_images import emoji_images
from own_images_page import command_with, project_folder


def test_pictures_in_containers(tmp_path: Path) -> None:
    # Readable for the images' user, which differs from the user of the tests.
    tmp_path.chmod(0o755)
    project = project_folder(tmp_path / "project")
    emoji_images(project / "emoji")
    command = command_with("--docker", brief=True)
    done = subprocess.run(
        ["bash", "-c", command], cwd=project, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((project / "runs" / "latest" / "summary.json").read_text())
    assert summary["state"] == "succeeded"
    assert summary["accuracy"] >= 0.2
    assert summary["live_check"] == {"requests": 100, "agreed": 100}
