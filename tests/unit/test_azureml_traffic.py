"""The recording of a real workspace's traffic says nothing of whose it is; two recordings can be compared."""

import json

from azureml_traffic import differences, sanitised

NAMES = {"11111111-1111-1111-1111-111111111111": "SUBSCRIPTION_ID", "my-group": "GROUP"}


def test_secrets_people_and_names_are_removed() -> None:
    raw = {
        "id": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/My-Group/x",
        "secrets": {"primaryKey": "geheim", "accountKey": "geheim", "secretsType": "AccountKey"},
        "accessToken": "geheim",
        "createdBy": "ada@example.com",
        "principal": "22222222-2222-2222-2222-222222222222",
        "uri": "https://a.blob.core.windows.net/c?sv=1&sig=geheim%3D&se=2026-01-01T00%3A00%3A00Z&sp=r",
        "keys": ["kept", {"password": "geheim"}],
        "isDefault": True,
    }
    clean = sanitised(raw, NAMES)
    text = json.dumps(clean)
    for secret in ("geheim", "ada", "1111", "2222", "roup/My", "2026"):
        assert secret not in text
    assert clean["id"] == "/subscriptions/SUBSCRIPTION_ID/resourceGroups/GROUP/x"
    assert clean["keys"][0] == "kept"
    assert clean["isDefault"] is True


def test_recordings_differ_in_operations_statuses_and_fields() -> None:
    def entry(path: str, status: int, answer: object) -> dict:
        return {"method": "GET", "path": path, "query": {"api-version": "1"}, "status": status, "answer": answer}

    one = [entry("/models/a/versions/1", 200, {"id": 1, "tags": {"x": 1}}), entry("/only", 200, None)]
    other = [entry("/models/b/versions/7", 201, {"id": 2}), entry("/jobs/7", 200, None)]
    assert list(differences(one, other)) == [
        "GET /models/NAME/versions/NAME 1: status only in the first: 200",
        "GET /models/NAME/versions/NAME 1: status only in the second: 201",
        "GET /models/NAME/versions/NAME 1: field only in the first: tags.x",
        "GET /only 1: only in recording 1",
        "GET /jobs/NAME 1: only in recording 2",
    ]
    assert list(differences(one, one)) == []
