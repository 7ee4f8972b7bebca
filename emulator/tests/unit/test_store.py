from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from azureml_emulator.arm.resources import new_resource
from azureml_emulator.store import EndpointKeys, Store

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


def test_case_does_not_matter(store: Store) -> None:
    store.put(new_resource(f"{WORKSPACE}/models/Echo", {"a": 1}))

    found = store.get(f"{WORKSPACE}/MODELS/echo")

    assert found is not None
    assert found["name"] == "Echo"
    assert found["type"] == "Microsoft.MachineLearningServices/workspaces/models"


def test_a_collection_holds_its_direct_members_in_order_of_creation(store: Store) -> None:
    for path in ("models/b", "models/a", "models/a/versions/1", "environments/e"):
        store.put(new_resource(f"{WORKSPACE}/{path}", {}))
    store.put(new_resource(f"{WORKSPACE}/models/b", {"changed": True}))

    assert [model["name"] for model in store.list_collection(f"{WORKSPACE}/models")] == ["b", "a"]
    versions = store.list_type("Microsoft.MachineLearningServices/workspaces/models/versions")
    assert [version["name"] for version in versions] == ["1"]


def test_delete_takes_what_is_below_and_nothing_beside(store: Store) -> None:
    for path in (
        "onlineEndpoints/e",
        "onlineEndpoints/E/deployments/blue",
        "onlineEndpoints/e-2",
        "onlineEndpoints/e2",
    ):
        store.put(new_resource(f"{WORKSPACE}/{path}", {}))
    store.put_keys(f"{WORKSPACE}/onlineEndpoints/e", EndpointKeys("a", "b"))

    store.delete(f"{WORKSPACE}/onlineEndpoints/e")

    assert store.get(f"{WORKSPACE}/onlineEndpoints/e/deployments/blue") is None
    assert store.get_keys(f"{WORKSPACE}/onlineEndpoints/e") is None
    assert [endpoint["name"] for endpoint in store.list_collection(f"{WORKSPACE}/onlineEndpoints")] == ["e-2", "e2"]


def test_properties_of_a_deleted_resource_are_not_set(store: Store) -> None:
    store.set_properties(f"{WORKSPACE}/models/gone", provisioningState="Failed")

    assert store.get(f"{WORKSPACE}/models/gone") is None


def test_a_second_store_reads_the_same_file(store: Store, tmp_path: Path) -> None:
    store.put(new_resource(f"{WORKSPACE}/models/a", {"n": 1}))
    store.put_keys(f"{WORKSPACE}/onlineEndpoints/e", EndpointKeys("a", "b"))

    second = Store(tmp_path / "state.sqlite")

    assert second.get(f"{WORKSPACE}/models/a") == store.get(f"{WORKSPACE}/models/a")
    assert second.get_keys(f"{WORKSPACE}/onlineEndpoints/e") == EndpointKeys("a", "b")
    second.close()


def test_what_was_deleted_is_remembered_until_it_exists_again(store: Store) -> None:
    endpoint = f"{WORKSPACE}/onlineEndpoints/e"
    assert not store.was_deleted(endpoint)
    store.put(new_resource(endpoint, {}))
    store.delete(endpoint)

    assert store.was_deleted(endpoint.upper())

    store.put(new_resource(endpoint, {}))
    assert not store.was_deleted(endpoint)
    store.delete(endpoint)
    store.clear()
    assert not store.was_deleted(endpoint)


def test_operations_of_an_older_state_folder_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    columns = "id TEXT, kind TEXT, resource TEXT, status TEXT, started TEXT, error TEXT"
    with closing(sqlite3.connect(path)) as older, older:
        older.execute(f"CREATE TABLE operations ({columns})")
        older.execute("INSERT INTO operations VALUES ('o', 'k', 'r', 'InProgress', 'then', NULL)")

    for _ in range(2):
        store = Store(path)
        assert store.connection.execute("SELECT id, ended FROM operations").fetchall() == [("o", None)]
        store.close()
