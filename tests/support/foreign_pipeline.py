"""A pipeline of a user: all kinds of values and artifacts, branches, a container, a nested pipeline."""

from typing import Any, Optional

from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output

from kfp_azureml.compiling import PipelineOptions
from kfp_azureml.images import ML_IMAGE

python = dsl.component(base_image=ML_IMAGE, install_kfp_package=False)


@python
def is_large(count: int) -> bool:
    return count > 2


@python
def as_text(count: int) -> str:
    return f"number {count}"


@python
def use(text: str, names: list = ["a"], share: float = 0.5) -> None:  # noqa: B006
    assert (names, share) == (["a"], 0.5)


@python
def make(table: Output[Dataset]) -> list:
    from pathlib import Path

    Path(table.path).write_text("hi")
    table.metadata["rows"] = 1
    return ["a", 1]


@dsl.container_component
def copy(
    table: Input[Dataset],
    copied: Output[Model],
    size: dsl.OutputPath(int),
    note: str = "x",
    more: Optional[str] = None,  # noqa: UP045
) -> dsl.ContainerSpec:
    program = 'echo "it\'s $4"; cat "$1" > "$2"; wc -c < "$1" > "$3"'
    return dsl.ContainerSpec(
        image=ML_IMAGE,
        command=["sh", "-ec", program, "sh"],
        args=[
            table.path,
            copied.path,
            size,
            dsl.ConcatPlaceholder(["note ", note]),
            dsl.IfPresentPlaceholder("more", ["--more", more]),
        ],
    )


@python
def check(copied: Input[Model], table: Input[Dataset], size: int, names: list, run: str) -> str:
    from pathlib import Path

    assert Path(copied.path).read_text() == "hi"
    assert table.metadata == {"rows": 1}
    assert (size, names) == (2, ["a", 1])
    return run


@dsl.pipeline
def number(count: int) -> str:
    return as_text(count=count).output


def build_pipeline(_options: PipelineOptions) -> Any:
    """Return the pipeline."""

    @dsl.pipeline(name="foreign")
    def foreign(count: int = 3, name: str = "Ada") -> None:
        large = is_large(count=count)
        with dsl.If(large.output == True, name="large"):  # noqa: E712
            use(text="large")
        with dsl.Else(name="small"):
            use(text="small")
        with dsl.If(count > 100, name="huge"):
            use(text="huge")
        use(text=f"hello {name}")
        use(text=number(count=count).output)
        made = make()
        copied = copy(table=made.outputs["table"])
        check(
            copied=copied.outputs["copied"],
            table=made.outputs["table"],
            size=copied.outputs["size"],
            names=made.outputs["Output"],
            run=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        )

    return foreign
