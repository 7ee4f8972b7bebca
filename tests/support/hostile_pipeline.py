"""A pipeline whose second step gets a string and a list from the user and from its first step."""

from typing import Any, NamedTuple

from kfp import dsl


@dsl.component(base_image="kfp-azureml/ml:0.1.0", install_kfp_package=False)
def echo(text: str, texts: list) -> NamedTuple("Echoed", [("text", str), ("texts", list)]):  # type: ignore[type-arg,valid-type]
    return text, texts


@dsl.component(base_image="kfp-azureml/ml:0.1.0", install_kfp_package=False)
def keep(
    kept: dsl.Output[dsl.Artifact],
    text: str,
    texts: list = [],  # type: ignore[type-arg]  # noqa: B006
    more: str = "",
    name: str = "",
) -> None:
    import json
    from pathlib import Path

    Path(kept.path).write_text(json.dumps([text, texts, more, name]))


@dsl.component(base_image="kfp-azureml/ml:0.1.0", install_kfp_package=False)
def keep_if(kept: dsl.Output[dsl.Artifact], text: str) -> None:
    import json
    from pathlib import Path

    Path(kept.path).write_text(json.dumps([text]))


def build_pipeline(options: Any) -> Any:
    @dsl.pipeline(name="hostile")
    def hostile(text: str, texts: list, name: str = "x") -> None:  # type: ignore[type-arg]
        echoed = echo(text=text, texts=texts)
        keep(text=echoed.outputs["text"], texts=echoed.outputs["texts"], more=text, name=f"<{name}>")
        with dsl.If(name != "$(touch pwned)"):
            keep_if(text=text)

    return hostile
