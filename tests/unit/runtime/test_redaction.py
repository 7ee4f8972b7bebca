"""No secret gets past the filter, however it is printed; and nothing else is blotted out."""

import json
import logging
import subprocess
import sys

import pytest

from kfp_azureml.runtime import redaction
from kfp_azureml.runtime.redaction import MASK, RedactingFilter, add_secret, redact

# Of no real thing, in the forms that the real things have.
SIGNATURE = "Zm9vYmFyYmF6cXV4L2Zvb2JhcmJhenF1eC9mb28%3D"
TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl"
OPAQUE = "opaque-token-0123456789.ABCDEF~xyz"
KEY = "a2V5LW9mLW5vLXJlYWwtYWNjb3VudC0wMTIzNDU2Nzg5YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo9PQ=="
SECRET = "Abc8Q~not.a-real_secret.0123456789abcdef"

BLOB = f"https://account.blob.core.windows.net/c/b?sv=2025-01-05&sr=b&sig={SIGNATURE}&se=2026-01-01"


def quoted(name, value):
    """Return how JSON, a dict and JSON inside of JSON are printed."""
    document = {"x": 1, name: value, "y": 2}
    return [
        json.dumps(document),
        json.dumps(document, separators=(",", ":")),
        repr(document),
        json.dumps({"message": json.dumps(document)}),
        repr(json.dumps(document).encode()),
    ]


SECRETS = [
    *((SIGNATURE, text) for text in (BLOB, BLOB.replace("?sv", "?sig=1&sv"), f"?sig={SIGNATURE}", f"sig={SIGNATURE}")),
    *(
        (SIGNATURE, text)
        for text in (f'"{BLOB}"', f"<{BLOB}>", BLOB.replace("&", "&amp;"), BLOB.replace("&", "\\u0026"))
    ),
    *((SIGNATURE, text) for text in quoted("sasToken", f"sv=1&sig={SIGNATURE}")),
    *((SIGNATURE, text) for text in quoted("sasUri", BLOB)),
    *((OPAQUE, text) for text in (f"Authorization: Bearer {OPAQUE}", f"authorization: bearer {OPAQUE}")),
    (OPAQUE, f"{{'Authorization': 'Bearer {OPAQUE}'}}"),
    (OPAQUE, f"b'POST / HTTP/1.1\\r\\nAuthorization: Bearer {OPAQUE}\\r\\nHost: x'"),
    *((TOKEN, text) for text in (TOKEN, f"token {TOKEN}.", f"'{TOKEN}'", f"a={TOKEN}&b=1")),
    (KEY, f"Authorization: SharedKey account:{KEY}"),
    (KEY, f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={KEY};EndpointSuffix=core.windows.net"),
    *(
        (KEY, text)
        for name in ("primaryKey", "secondaryKey", "primary_key", "secondary_key", "accountKey", "keyValue", "key")
        for text in quoted(name, KEY)
    ),
    *(
        (OPAQUE, text)
        for name in ("access_token", "refresh_token", "accessToken", "client_assertion", "client_secret")
        for text in quoted(name, OPAQUE)
    ),
    *((OPAQUE, f"grant_type=client_credentials&{name}={OPAQUE}&x=1") for name in ("client_secret", "client_assertion")),
    *((OPAQUE, f"Credential(tenant='t', {name}={OPAQUE!r}, x=1)") for name in ("client_secret", "access_token")),
]


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """What this process got to know in other tests is forgotten here, and what it gets to know here afterwards."""
    monkeypatch.setattr(redaction, "_secrets", set())


@pytest.mark.parametrize(("secret", "text"), SECRETS)
def test_each_kind_of_secret_is_blotted_out(secret, text):
    assert secret in text or secret.replace("'", "\\'") in text
    redacted = redact(text, {})
    assert secret not in redacted
    # Neither is a good part of it left.
    assert not any(secret[begin : begin + 8] in redacted for begin in range(len(secret) - 8))
    assert MASK in redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (BLOB, f"https://account.blob.core.windows.net/c/b?sv=2025-01-05&sr=b&sig={MASK}&se=2026-01-01"),
        ('{"primaryKey": "abc", "x": 1}', f'{{"primaryKey": "{MASK}", "x": 1}}'),
        ("client_secret=abc&x=1", f"client_secret={MASK}&x=1"),
        (f"Authorization: Bearer {OPAQUE}, x", f"Authorization: Bearer {MASK}, x"),
    ],
)
def test_what_is_around_a_secret_can_still_be_read(text, redacted):
    assert redact(text, {}) == redacted


@pytest.mark.parametrize(
    "line",
    [
        "deployment green of endpoint fashion: InProgress, 1 min 0 s elapsed, https://ml.azure.com/endpoints?wsid=/s/rg",
        "Bearer token authentication is not permitted for non-TLS protected (non-https) URLs.",
        "the bearer authentication of this endpoint is refused",
        "SharedKey authorization is not permitted on this storage account",
        "epoch 3/10, loss 0.31, accuracy 0.9",
        "keys: 3, key=value, design=flat, significant=5, config=x, assign=1",
        "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent is the client secret value",
        "check AZ_TENANT_ID, AZ_CLIENT_ID, AZ_CLIENT_SECRET (on Kubeflow in the secret azcreds)",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "access_token is missing; client_secret was not given; refresh_token: none",
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.X/workspaces/ws",
        '{"name": "green", "key": "owner", "value": "shop"}',
        "eyJ is how a token begins",
    ],
)
def test_an_ordinary_line_stays_as_it_is(line):
    assert redact(line, {}) == line


@pytest.mark.parametrize("name", ["AZ_CLIENT_SECRET", "AZURE_CLIENT_SECRET"])
def test_the_secret_of_the_environment_is_known_wherever_it_stands(name):
    assert redact(f"x{SECRET}y {SECRET}", {name: SECRET}) == f"x{MASK}y {MASK}"
    # A word would be blotted out all over the log.
    assert redact("a word", {name: "word"}) == "a word"


def test_what_a_step_gets_to_know_is_hidden_from_then_on():
    assert redact("the key 0123456789", {}) == "the key 0123456789"
    add_secret("0123456789")
    add_secret("0123456789abc")  # the longer one first, or its end would be left
    add_secret("word")
    assert redact("the key 0123456789, 0123456789abc, a word", {}) == f"the key {MASK}, {MASK}, a word"


def logged(capsys, log):
    """Return what a logger with our filter prints."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RedactingFilter())
    logger = logging.Logger("of a test")
    logger.addHandler(handler)
    log(logger)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "log",
    [
        lambda logger: logger.info(BLOB),
        lambda logger: logger.info("PUT %s", BLOB),
        lambda logger: logger.info("%(url)s", {"url": BLOB}),
        lambda logger: logger.info("headers %r", {"Authorization": f"Bearer {SIGNATURE}"}),
        lambda logger: logger.info("%s", json.dumps({"primaryKey": SIGNATURE})),
        # Split between text and argument.
        lambda logger: logger.info("https://account/c/b?sig=%s", SIGNATURE),
        lambda logger: logger.info("x", stack_info=True, extra={"blob": BLOB}),
    ],
)
def test_a_record_is_redacted_with_its_arguments(capsys, log):
    printed = logged(capsys, log)
    assert printed.strip()
    assert SIGNATURE not in printed


def fail(text):
    raise ValueError(f"cannot read {text}")


def test_a_traceback_is_redacted_and_still_there(capsys):
    def log(logger):
        try:
            try:
                fail(BLOB)
            except ValueError as error:
                raise RuntimeError(f"token {TOKEN}") from error
        except RuntimeError:
            logger.exception("it failed")

    printed = logged(capsys, log)
    assert "ValueError: cannot read https://account" in printed
    assert "RuntimeError: token ***" in printed
    assert "in fail" in printed
    assert not {SIGNATURE, TOKEN} & set(printed.replace("&", " ").replace("=", " ").split())


def test_a_traceback_that_another_handler_has_written_out_already_is_redacted(capsys):
    """The record keeps the text of its traceback for the next handler."""

    def log(logger):
        logger.handlers.insert(0, first := logging.StreamHandler(sys.stdout))
        try:
            fail(BLOB)
        except ValueError:
            logger.exception("it failed")
        logger.removeHandler(first)

    printed = logged(capsys, log)
    assert "in fail" in printed
    assert SIGNATURE not in printed


@pytest.mark.parametrize(
    "arguments", [("%d pieces", "x"), ("%s and %s", BLOB), ("%(name)s", {"other": BLOB}), ("%y", 1)]
)
def test_a_librarys_broken_log_line_breaks_no_step(capsys, arguments):
    printed = logged(capsys, lambda logger: logger.info(*arguments))
    assert arguments[0] in printed
    assert SIGNATURE not in printed


PROGRAM = """
import logging, sys
from kfp_azureml.runtime.step import progress, run_step

SECRET = "a-secret-" + "of-this-process"
with run_step("score"):
    logging.getLogger("azure.core").setLevel(logging.DEBUG)
    progress(f"progress {SECRET}")
    logging.getLogger("azure.core").warning("library %s", SECRET)
    raise ZeroDivisionError(f"fault {SECRET}")
"""


def test_a_fault_of_ours_ends_the_step_with_its_traceback_and_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("AZ_CLIENT_SECRET", "a-secret-of-this-process")
    monkeypatch.setenv("KFP_AZUREML_EVENTS", str(tmp_path / "events"))
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    printed = ended.stdout + ended.stderr + (tmp_path / "events").read_text()
    for kind in ("progress", "library", "fault"):
        assert f"{kind} {MASK}" in printed
    assert "Traceback (most recent call last):" in ended.stderr
    assert "ZeroDivisionError" in ended.stderr
    assert "a-secret-of-this-process" not in printed
