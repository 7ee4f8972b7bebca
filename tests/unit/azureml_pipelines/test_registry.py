"""The workspace's components, from a double of the SDK's client that answers in pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.core.paging import ItemPaged

from azure_errors import arm_error, response_error
from kfp_azureml.azureml.property_names import CONTENT_PROPERTY
from kfp_azureml.azureml_pipelines.registry import (
    get_component,
    list_components,
    register_components,
    registered_name,
    version_order,
)
from kfp_azureml.azureml_pipelines.spec import Spec
from kfp_azureml.azureml_pipelines.spec_hash import spec_hash
from kfp_azureml.azureml_pipelines.suite import suite_spec
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.runtime.errors import PipelineError

PAGE = 3


@dataclass
class Stored:
    name: str
    version: str
    properties: dict[str, str] = field(default_factory=dict)
    display_name: str = ""
    description: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)


@dataclass
class Components:
    stored: list[Stored] = field(default_factory=list)
    pages: int = 0

    def list(self, name: str | None = None) -> ItemPaged[Stored]:
        names = {component.name: component for component in self.stored}
        found = [each for each in self.stored if each.name == name] if name else list(names.values())

        def get_next(token: str | None) -> int:
            self.pages += 1
            return int(token or 0)

        def extract(start: int) -> tuple[str | None, Iterator[Stored]]:
            end = start + PAGE
            return (str(end) if end < len(found) else None), iter(found[start:end])

        return ItemPaged(get_next, extract)

    def get(self, name: str, version: str) -> Stored:
        for component in self.stored:
            if (component.name, component.version) == (name, version):
                return component
        raise ResourceNotFoundError("not there")

    def create_or_update(self, component: Any) -> None:
        self.stored.append(Stored(component.name, component.version, dict(component.properties)))


class Client:
    workspace_name = "w"

    def __init__(self, *stored: Stored) -> None:
        self.components = Components(list(stored))


@pytest.fixture
def spec() -> Spec:
    return suite_spec("quality_gate", PipelineOptions())


def test_versions_are_ordered_as_people_count() -> None:
    times = ["2024-01-02-03-04-05-0000001", "2022-09-29-20-17-10-3533062"]
    versions = [*times, "0.10.0", "0.9.0", "1.0.0rc1", "1.0.0", "latest", "2", "10", "0.9.0.post1", "a1b2c3"]
    assert sorted(versions, key=version_order) == [
        "a1b2c3", "latest", "0.9.0", "0.9.0.post1", "0.10.0", "1.0.0rc1", "1.0.0", "2", "10", *reversed(times),
    ]  # fmt: skip


def test_without_a_version_the_highest_is_found_on_whichever_page(spec: Spec) -> None:
    client = Client(*(Stored("prep", f"0.{number}.0") for number in (1, 12, 2, 9, 3, 11, 4)))
    assert get_component(client, "prep").version == "0.12.0"
    assert client.components.pages == 3
    assert get_component(client, "prep", "0.9.0").version == "0.9.0"


def test_a_component_that_is_not_there_is_said() -> None:
    client = Client(Stored("prep", "1"), Stored("prep", "2"))
    with pytest.raises(PipelineError, match=r"^component prep has no version 3; it has 2, 1$"):
        get_component(client, "prep", "3")
    with pytest.raises(PipelineError, match=r"^component train does not exist in workspace w$"):
        get_component(client, "train")


def test_help_shows_the_interface() -> None:
    import pydoc

    port = type("Port", (), {"type": "integer", "default": 3, "description": "How many."})()
    client = Client(Stored("prep", "1", description="Prepare.", inputs={"count": port}))
    text = pydoc.plain(pydoc.render_doc(get_component(client, "prep")))
    assert "prep, version 1: prep" in text
    assert "count  integer = 3: How many." in text


def test_the_list_is_complete_across_pages() -> None:
    names = [f"component_{number:02}" for number in range(10)]
    client = Client(*(Stored(name, version) for name in names for version in ("1", "2", "10", "9")))
    listed = list(list_components(client))
    assert [component.name for component in listed] == names
    assert all(component.versions == ("10", "9", "2", "1") for component in listed)


def test_registering_is_idempotent_and_never_changes_a_version(spec: Spec) -> None:
    client = Client()
    first, second = (next(register_components(client, [spec])) for _ in range(2))
    assert (first.found, second.found) == (False, True)
    assert [(each.name, each.version) for each in client.components.stored] == [("quality_gate", "0.1.0")]
    assert registered_name(client, spec) == "azureml:quality_gate:0.1.0"

    changed = Spec({**spec.document, "description": "Another."}, spec.definition)
    for use in (lambda: list(register_components(client, [changed])), lambda: registered_name(client, changed)):
        with pytest.raises(PipelineError, match=r"^component quality_gate, version 0\.1\.0, is registered with other"):
            use()
    assert len(client.components.stored) == 1


def test_a_pipeline_of_registered_components_needs_them(spec: Spec) -> None:
    with pytest.raises(PipelineError, match=r"is not registered: .*\(kfp-azureml aml components register\)$"):
        registered_name(Client(), spec)


@pytest.mark.parametrize("status", [400, 409])
def test_whoever_registers_at_the_same_time_has_registered_it(
    spec: Spec, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()

    def beaten(_component: Any) -> None:
        client.components.stored.append(Stored(spec.name, spec.version, {CONTENT_PROPERTY: spec_hash(spec)}))
        raise response_error(status, arm_error("UserError", "there is one"))

    monkeypatch.setattr(client.components, "create_or_update", beaten)
    (done,) = register_components(client, [spec])
    assert done.found


def test_a_refused_component_is_not_taken_for_registered(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()

    def refuse(_component: Any) -> None:
        raise response_error(400, arm_error("UserError", "no such environment"))

    monkeypatch.setattr(client.components, "create_or_update", refuse)
    with pytest.raises(PipelineError, match="no such environment"):
        list(register_components(client, [spec]))


@pytest.mark.parametrize("part", ["document", "definition", "code"])
def test_the_hash_is_of_all_that_a_component_does(
    spec: Spec, part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    before = spec_hash(spec)
    assert spec_hash(Spec({**spec.document, "version": "9"}, spec.definition)) == before
    if part == "code":
        (tmp_path / "run.py").write_text("pass")
        monkeypatch.setattr("kfp_azureml.azureml_pipelines.spec_hash.IN_JOB", tmp_path)
        assert spec_hash(spec) != before
    else:
        parts = {"document": dict(spec.document), "definition": dict(spec.definition)}
        parts[part]["more"] = 1
        assert spec_hash(Spec(**parts)) != before
