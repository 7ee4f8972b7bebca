"""Files in volumes and in DBFS."""

from __future__ import annotations

import base64

import pytest

from databricks_api import Databricks

pytestmark = pytest.mark.anyio
FILE = "2.0/fs/files/Volumes/main/default/v/a/x.txt"


async def test_a_file_is_uploaded_read_and_deleted(databricks: Databricks) -> None:
    assert (await databricks.send("PUT", f"/api/{FILE}", content=b"abc")).status_code == 204

    head = await databricks.send("HEAD", f"/api/{FILE}")
    assert (head.status_code, head.headers["content-length"]) == (200, "3")
    assert (await databricks.send("GET", f"/api/{FILE}", headers={"range": "bytes=1-"})).content == b"bc"
    listed = await databricks.get("2.0/fs/directories/Volumes/main/default/v/a")
    assert [entry["path"] for entry in listed["contents"]] == ["/Volumes/main/default/v/a/x.txt"]
    assert (await databricks.refused("PUT", f"{FILE}?overwrite=false"))[:2] == (409, "ALREADY_EXISTS")
    assert (await databricks.refused("DELETE", "2.0/fs/directories/Volumes/main/default/v/a"))[0] == 400
    assert (await databricks.send("DELETE", f"/api/{FILE}")).status_code == 204
    assert (await databricks.refused("GET", FILE))[:2] == (404, "NOT_FOUND")
    assert (await databricks.send("DELETE", "/api/2.0/fs/directories/Volumes/main/default/v/a")).status_code == 204


@pytest.mark.parametrize("path", ["Volumes/main/x.txt", "tmp/x", "Volumes/a/b/c/../../../../../x"])
async def test_paths_outside_volumes_are_refused(databricks: Databricks, path: str) -> None:
    assert (await databricks.send("PUT", f"/api/2.0/fs/files/{path}", content=b"")).status_code in (400, 501)


async def test_an_upload_in_parts_appears_once_it_is_complete(databricks: Databricks) -> None:
    begun = await databricks.post(f"{FILE}?action=initiate-upload")
    token = begun["multipart_upload"]["session_token"]
    urls = await databricks.post(
        "2.0/fs/create-upload-part-urls", session_token=token, start_part_number=1, count=2, expire_time="", path=""
    )
    for number, part in enumerate(urls["upload_part_urls"]):
        path = part["url"].removeprefix(f"https://{databricks.host}")
        # The address is the permission.
        answer = await databricks.send("PUT", path, content=f"{number}".encode(), headers={"authorization": ""})
        assert answer.status_code == 201
    assert (await databricks.refused("GET", FILE))[0] == 404

    complete = f"{FILE}?action=complete-upload&upload_type=multipart&session_token={token}"
    missing = await databricks.refused("POST", complete, json={"parts": [{"part_number": 3}]})
    assert missing[2] == "Part 3 of the upload is missing."
    twice = await databricks.refused("POST", complete, json={"parts": [{"part_number": 1}, {"part_number": 1}]})
    assert twice[2] == "A part of the upload is named twice."
    await databricks.post(complete, parts=[{"part_number": 2}, {"part_number": 1}])

    assert (await databricks.send("GET", f"/api/{FILE}")).content == b"01"
    assert (await databricks.refused("POST", complete, json={"parts": [{"part_number": 1}]}))[0] == 404


async def test_dbfs_takes_blocks_and_gives_them_back(databricks: Databricks) -> None:
    handle = (await databricks.post("2.0/dbfs/create", path="/tmp/x"))["handle"]
    for block in (b"ab", b"cd"):
        await databricks.post("2.0/dbfs/add-block", handle=handle, data=base64.b64encode(block).decode())
    assert (await databricks.refused("GET", "2.0/dbfs/get-status?path=/tmp/x"))[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    await databricks.post("2.0/dbfs/close", handle=handle)

    assert (await databricks.get("2.0/dbfs/get-status", path="dbfs:/tmp/x"))["file_size"] == 4
    read = await databricks.get("2.0/dbfs/read", path="/tmp/x", offset=1, length=2)
    assert read == {"bytes_read": 2, "data": base64.b64encode(b"bc").decode()}
    assert (await databricks.refused("POST", "2.0/dbfs/create", json={"path": "/tmp/x"}))[
        1
    ] == "RESOURCE_ALREADY_EXISTS"
    too_large = {"handle": handle, "data": base64.b64encode(b"x" * (1024 * 1024 + 1)).decode()}
    assert (await databricks.refused("POST", "2.0/dbfs/add-block", json=too_large))[0] == 404
    await databricks.post("2.0/dbfs/delete", path="/tmp", recursive=True)
    await databricks.post("2.0/dbfs/delete", path="/tmp")  # gone already
    await databricks.post("2.0/dbfs/delete", path="/", recursive=True)
    assert await databricks.get("2.0/dbfs/list", path="/") == {}


async def test_a_volume_is_there_in_dbfs_too(databricks: Databricks) -> None:
    await databricks.send("PUT", f"/api/{FILE}", content=b"abc")

    found = await databricks.get("2.0/dbfs/list", path="dbfs:/Volumes/main/default/v/a")
    assert [each["path"] for each in found["files"]] == ["/Volumes/main/default/v/a/x.txt"]
