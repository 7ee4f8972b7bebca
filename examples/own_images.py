"""From a folder of pictures to an endpoint, and its answers for other pictures, in one Python script.

    python examples/own_images.py photos fox.jpg --param image_size=64

`kfp-azureml run` trains, registers and deploys; then each picture is posted as it is. All of it happens on this
machine, in the Azure ML emulator. With --azure it is your workspace; docs/local.md names its credentials.
"""

import json
import mimetypes
import os
import subprocess
import sys
from pathlib import Path

import click
import httpx

from azureml_emulator import running_emulator
from kfp_azureml.azureml_pipelines import connect
from kfp_azureml.runtime.errors import KfpAzuremlError


@click.command()
@click.argument("folder", type=click.Path(exists=True))
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Parameter of the pipeline.")
@click.option("--azure", is_flag=True, help="Use your workspace; the endpoint stays, and is billed.")
@click.option("--resource-group", default="", help="Of your workspace; by default that of config.json.")
@click.option("--workspace", default="", help="Your workspace; by default that of config.json.")
def main(
    folder: str, pictures: tuple[Path, ...], params: tuple[str, ...], azure: bool, resource_group: str, workspace: str
) -> None:
    """Train with the pictures in FOLDER, deploy, and classify PICTURES."""
    if azure:
        train_and_ask(folder, pictures, params, resource_group, workspace)
        return
    click.echo("Starting the Azure ML emulator (the first start takes about a minute)")
    with running_emulator() as emulator:
        os.environ.update(emulator.environment)  # for the pipeline and for the requests
        train_and_ask(folder, pictures, params, emulator.resource_group, emulator.workspace)


def train_and_ask(
    folder: str, pictures: tuple[Path, ...], params: tuple[str, ...], resource_group: str, workspace: str
) -> None:
    """Run the pipeline, and post the pictures to its endpoint."""
    # Run the pipeline: prep, train, score, quality gate, register, deploy.
    if workspace:
        params = (*params, f"resource_group={resource_group}", f"workspace={workspace}")
    command = [str(Path(sys.executable).with_name("kfp-azureml")), "run", "--azure", "--data", folder]
    done = subprocess.run([*command, *(word for each in params for word in ("--param", each))], check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)

    # Read the endpoint's address and key.
    endpoint = json.loads(Path("runs/latest/summary.json").read_text())["endpoint"]
    key = connect(resource_group, workspace).online_endpoints.get_keys(endpoint["name"]).primary_key

    # Post each picture as it is: no decoding, no resizing.
    for picture in pictures:
        kind = mimetypes.guess_type(picture)[0] or "application/octet-stream"
        headers = {"Authorization": f"Bearer {key}", "Content-Type": kind}
        answer = httpx.post(endpoint["scoring_uri"], content=picture.read_bytes(), headers=headers, timeout=60)
        if answer.is_error:
            sys.exit(f"{picture}: {answer.text}")
        best = answer.json()["predictions"][0]
        click.echo(f"{picture}: {best['label']}, probability {best['probability']:.2f}")


if __name__ == "__main__":
    try:
        main()
    except KfpAzuremlError as error:
        sys.exit(str(error))
