"""Blobs need a key, a signature or a valid token, on every port."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import httpx
import psutil
import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from azureml_emulator import EmulatorInfo
from azureml_rest import signed_in_workspace
from emulator_ports import web_app_port

STORAGE_AUDIENCE = "https://storage.azure.com"
HOST = "azuremlemulator.blob.core.windows.net"
LISTING = "/azureml-blobstore?restype=container&comp=list"
WELL_KNOWN_ACCOUNT = "devstoreaccount1"


@pytest.fixture
def trust(emulator: EmulatorInfo) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=emulator.ca_file)
    context.check_hostname = False  # the ports are asked by their address
    return context


@pytest.fixture(params=["proxy", "web app", "Azurite"])
def anybody(request: pytest.FixtureRequest, emulator: EmulatorInfo, trust: ssl.SSLContext) -> Iterator[httpx.Client]:
    """A client as any process on this machine can make one, for each way to the blobs."""
    if request.param == "proxy":
        with httpx.Client(base_url=f"https://{HOST}", proxy=emulator.proxy_url, verify=trust, trust_env=False) as http:
            yield http
        return
    port = {"web app": web_app_port, "Azurite": azurite_port}[request.param](emulator)
    url = f"https://127.0.0.1:{port}"
    with httpx.Client(base_url=url, headers={"host": HOST}, verify=trust, trust_env=False) as http:
        yield http


def azurite_port(emulator: EmulatorInfo) -> int:
    log = (Path(emulator.state_dir) / "azurite.log").read_text()
    found = re.search(r"successfully listens on https://127\.0\.0\.1:(\d+)", log)
    assert found
    return int(found[1])


def azurite_constant(emulator: EmulatorInfo, name: str) -> str:
    """Read a key that is in Azurite's source, where everybody can."""
    commands = [child.cmdline() for child in psutil.Process(emulator.pid).children(recursive=True)]
    (main,) = {word for command in commands for word in command if word.endswith("blob/main.js")}
    found = re.search(rf'exports\.{name} = "(.+)";', (Path(main).parent / "utils/constants.js").read_text())
    assert found
    return found[1]


def forged_token(algorithm: str = "none") -> str:
    """What `--oauth basic` of Azurite lets through."""
    now = int(time.time())
    claims = {"aud": STORAGE_AUDIENCE, "iss": "https://sts.windows.net/x/", "iat": now, "nbf": now, "exp": now + 600}
    header = {"alg": algorithm, "typ": "JWT"}
    context = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*context, "c2lnbmF0dXJl"])


def forged_delegation_query(key_of_keys: str) -> str:
    """Sign with the key that is in Azurite's source, as its own SAS of version 2020-02-10 wants it."""
    now = datetime.now(UTC)
    start, end = ((now + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ") for minutes in (-5, 30))
    version, oid, tid = "2020-02-10", "o", "t"
    key = hmac.digest(key_of_keys.encode(), "\n".join([oid, tid, start, end, "b", version]).encode(), hashlib.sha256)
    signed = ["rwdl", start, end, "/blob/azuremlemulator/azureml-blobstore", oid, tid, start, end, "b", version]
    signed += ["", "", "", "", "https", version, "c", "", "", "", "", "", ""]
    signature = base64.b64encode(hmac.digest(key, "\n".join(signed).encode(), hashlib.sha256)).decode()
    fields = {"sv": version, "sr": "c", "sp": "rwdl", "st": start, "se": end, "spr": "https", "sig": signature}
    return urlencode({**fields, "skoid": oid, "sktid": tid, "skt": start, "ske": end, "sks": "b", "skv": version})


def well_known_sas(account: str, key: str) -> str:
    permission = ContainerSasPermissions(read=True, write=True, list=True)
    expiry = datetime.now(UTC) + timedelta(hours=1)
    return generate_container_sas(account, "azureml-blobstore", key, permission=permission, expiry=expiry)


def test_nobody_lists_or_writes_blobs(emulator: EmulatorInfo, anybody: httpx.Client) -> None:
    account_key = azurite_constant(emulator, "EMULATOR_ACCOUNT_KEY_STR")
    delegation_key = azurite_constant(emulator, "USERDELEGATIONKEY_BASIC_KEY")
    ways = {
        "anonymous": ("", {}),
        "a token that nobody signed": ("", {"authorization": f"Bearer {forged_token()}"}),
        "a token with a junk signature": ("", {"authorization": f"Bearer {forged_token('RS256')}"}),
        "a key that is no key": ("", {"authorization": "SharedKey azuremlemulator:c2lnbmF0dXJl"}),
        "Azurite's account key": (well_known_sas("azuremlemulator", account_key), {}),
        "Azurite's delegation key": (forged_delegation_query(delegation_key), {}),
    }
    for what, (query, headers) in ways.items():
        listed = anybody.get(f"{LISTING}&{query}", headers=headers)
        written = anybody.put(
            f"/azureml-blobstore/mallory?{query}", content=b"x", headers={**headers, "x-ms-blob-type": "BlockBlob"}
        )
        assert {listed.status_code, written.status_code} <= {401, 403}, (what, listed.text, written.text)


def test_azurites_default_account_does_not_exist(emulator: EmulatorInfo, trust: ssl.SSLContext) -> None:
    signature = well_known_sas(WELL_KNOWN_ACCOUNT, azurite_constant(emulator, "EMULATOR_ACCOUNT_KEY_STR"))
    url = f"https://127.0.0.1:{azurite_port(emulator)}/{WELL_KNOWN_ACCOUNT}{LISTING}&{signature}"

    assert httpx.get(url, verify=trust, trust_env=False).status_code in (401, 403, 404)


@pytest.mark.parametrize("scope", ["https://management.azure.com/.default", "https://ml.azure.com/.default"])
def test_a_token_for_another_audience_opens_no_blob(emulator: EmulatorInfo, scope: str) -> None:
    with signed_in_workspace(emulator) as workspace:
        token = workspace.sign_in(scope=scope).json()["access_token"]
        answer = workspace.http.get(f"https://{HOST}{LISTING}", headers={"authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (401, "InvalidAuthenticationInfo")


@contextmanager
def blob_service(emulator: EmulatorInfo, monkeypatch: pytest.MonkeyPatch) -> Iterator[BlobServiceClient]:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    names = [emulator.environment[f"AZ_{name}"] for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")]
    with (
        ClientSecretCredential(*names) as credential,
        BlobServiceClient(f"https://{HOST}", credential=credential) as service,
    ):
        yield service


@pytest.mark.parametrize("name", ["a b/ü%.txt", "p//q", "a+b&c=d", "x" * 200])
def test_a_signed_in_client_has_full_access_to_blobs(
    emulator: EmulatorInfo, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    content = bytes(range(256)) * 4096
    with blob_service(emulator, monkeypatch) as service:
        container = service.get_container_client("azureml-blobstore")
        assert "azureml-blobstore" in [each.name for each in service.list_containers()]
        blob = container.upload_blob(name, content, metadata={"b_c": "1", "bc": "2", "B1": "v: w"}, overwrite=True)
        container.upload_blob("in-parts", (content for _ in range(3)), overwrite=True)
        assert blob.download_blob(offset=1000, length=10).readall() == content[1000:1010]
        assert blob.get_blob_properties().metadata == {"b_c": "1", "bc": "2", "B1": "v: w"}
        assert container.get_blob_client("in-parts").get_blob_properties().size == 3 * len(content)
        assert [answer.status_code for answer in container.delete_blobs(name, "in-parts")] == [202, 202]
        assert not blob.exists()
        with pytest.raises(HttpResponseError, match="PublicAccessNotPermitted"):
            service.create_container("open-to-all", public_access="container")


def raw_request(emulator: EmulatorInfo, trust: ssl.SSLContext, content: bytes) -> ssl.SSLSocket:
    connection = socket.create_connection(("127.0.0.1", web_app_port(emulator)), timeout=30)
    secure = trust.wrap_socket(connection, server_hostname=HOST)
    secure.sendall(content)
    return secure


def storage_token(emulator: EmulatorInfo) -> str:
    with signed_in_workspace(emulator) as workspace:
        return str(workspace.sign_in(scope=f"{STORAGE_AUDIENCE}/.default").json()["access_token"])


def test_a_datastores_signature_reads_all_containers_and_deletes_nothing(
    emulator: EmulatorInfo, trust: ssl.SSLContext
) -> None:
    with signed_in_workspace(emulator) as workspace:
        code = workspace.upload_code("signed", "def init(): pass\n")
        signature = workspace.sign_blobs()
    container = code.removesuffix("/src")

    with httpx.Client(proxy=emulator.proxy_url, verify=trust, trust_env=False) as http:
        listed = http.get(f"{container}?restype=container&comp=list&{signature}")
        read = http.get(f"{code}/score.py?{signature}")
        refused = [
            http.delete(f"{code}/score.py?{signature}"),
            http.delete(f"{container}?restype=container&{signature}"),
            http.get(f"https://{HOST}/?comp=list&{signature}"),
            http.put(f"{container}?restype=container&comp=acl&{signature}"),
        ]

    assert (listed.status_code, read.text) == (200, "def init(): pass\n")
    assert [answer.status_code for answer in refused] == [403] * 4


def test_expect_100_continue_is_answered(emulator: EmulatorInfo, trust: ssl.SSLContext) -> None:
    head = (
        f"PUT /azureml-blobstore/expects HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Authorization: Bearer {storage_token(emulator)}\r\n"
        "x-ms-version: 2025-11-05\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    )
    with raw_request(emulator, trust, head.encode()) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(b"hello")
        assert connection.recv(1000).startswith(b"HTTP/1.1 201")


@pytest.mark.parametrize(
    "ambiguous",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Authorization: SharedKey azuremlemulator:c2ln\r\n",
        "x-ms-blob-type: PageBlob\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
    ],
)
def test_an_ambiguous_request_is_refused_and_its_connection_closed(
    emulator: EmulatorInfo, trust: ssl.SSLContext, ambiguous: str
) -> None:
    head = (
        f"PUT /azureml-blobstore/two HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {storage_token(emulator)}\r\n"
        f"x-ms-version: 2025-11-05\r\nx-ms-blob-type: BlockBlob\r\n{ambiguous}\r\n"
    )
    smuggled = f"0\r\n\r\nGET {LISTING} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
    with raw_request(emulator, trust, f"{head}{smuggled}".encode()) as connection:
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"400"]
