"""A pipeline of one task, in plain kfp."""

from kfp import dsl


@dsl.component(base_image="python:3.11")
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello {name}"


@dsl.pipeline(name="one-task")
def one_task(name: str = "world") -> None:
    """Greet somebody."""
    greet(name=name)
