"""`kfp-azureml run`."""

from __future__ import annotations

from pathlib import Path

import click

from kfp_azureml.compiling.param_option import param_option


@click.command("run")
@click.argument("pipeline", default="image_classification")
@click.option("--data", metavar="URI", help="Folder, file or URI of images.  [default: the pipeline's, Fashion-MNIST]")
@param_option
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    help="Parent folder of the runs.",
)
@click.option("--keep", is_flag=True, help="Keep the endpoint running after the run, until Ctrl-C.")
@click.option(
    "--azure",
    is_flag=True,
    help="Use your Azure ML workspace instead of the Azure ML emulator (credentials: AZ_* variables or az login).",
)
@click.option(
    "--docker", is_flag=True, help="Run the steps in their images (`make images`) instead of as local processes."
)
@click.option(
    "--workers",
    type=int,
    default=1,
    show_default=True,
    metavar="COUNT",
    help="Number of processes that train together; their ports are open to the network.",
)
def run_command(
    pipeline: str,
    data: str | None,
    params: dict[str, str],
    runs: Path,
    keep: bool,
    azure: bool,
    docker: bool,
    workers: int,
) -> None:
    """Run PIPELINE locally, with the Azure ML emulator by default.

    PIPELINE is the name of a shipped pipeline (image_classification), a .py file, or a compiled .yaml file.
    """
    from kfp_azureml.local.run import LocalRun, run_locally

    run_locally(
        LocalRun(
            pipeline=pipeline,
            data=data,
            params=params,
            runs=runs,
            keep=keep,
            azure=azure,
            docker=docker,
            workers=workers,
        )
    )
