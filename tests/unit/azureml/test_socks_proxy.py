"""A SOCKS proxy without the package for it is reported before the first request."""

import importlib.util
from collections.abc import Callable

import pytest

from kfp_azureml.azureml import socks_proxy
from kfp_azureml.azureml.credentials import credential
from kfp_azureml.azureml.socks_proxy import check_socks_proxy
from kfp_azureml.runtime.errors import WorkspaceError

SOCKS = "socks5h://127.0.0.1:1080"
PRINCIPAL = {"AZ_TENANT_ID": "t", "AZ_CLIENT_ID": "c", "AZ_CLIENT_SECRET": "s"}


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    known = importlib.util.find_spec("os")

    def remove(*modules: str) -> None:
        monkeypatch.setattr(socks_proxy.importlib.util, "find_spec", lambda name: None if name in modules else known)

    return remove


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("scheme", ["socks5h", "socks5", "SOCKS4"])
def test_requests_needs_pysocks(without: Callable[..., None], name: str, scheme: str) -> None:
    without("socks")
    expected = f"^{name} is a SOCKS proxy, which needs PySocks: pip install PySocks, or unset it$"
    with pytest.raises(WorkspaceError, match=expected):
        check_socks_proxy({name: f"{scheme}://127.0.0.1:1080"})


@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTPS_PROXY", "http_proxy"])
def test_httpx_needs_socksio_for_any_proxy(without: Callable[..., None], name: str) -> None:
    without("socksio")
    check_socks_proxy({name: SOCKS})
    with pytest.raises(WorkspaceError, match=f"^{name} is a SOCKS proxy, which needs socksio: pip install socksio"):
        check_socks_proxy({name: SOCKS}, with_httpx=True)


def test_both_are_named_together(without: Callable[..., None]) -> None:
    without("socks", "socksio")
    with pytest.raises(WorkspaceError, match="needs PySocks and socksio: pip install PySocks socksio"):
        check_socks_proxy({"ALL_PROXY": SOCKS}, with_httpx=True)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "socks.example.com", "SOCKS": SOCKS},
        {"HTTPS_PROXY": "http://p:3128", "ALL_PROXY": SOCKS},
        {"HTTP_PROXY": SOCKS},
        {"ALL_PROXY": SOCKS, "NO_PROXY": ".azure.com"},
        {"ALL_PROXY": SOCKS, "no_proxy": "*"},
        {"ALL_PROXY": ""},
    ],
)
def test_what_the_sdk_does_not_use_is_no_error(without: Callable[..., None], environ: dict[str, str]) -> None:
    without("socks")
    check_socks_proxy(environ)


def test_with_the_packages_a_socks_proxy_is_used(without: Callable[..., None]) -> None:
    without()
    check_socks_proxy({"ALL_PROXY": SOCKS}, with_httpx=True)


def test_no_credential_is_made_for_a_proxy_that_cannot_be_used(
    without: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    without("socks")
    monkeypatch.setenv("HTTPS_PROXY", SOCKS)
    monkeypatch.delenv("https_proxy", raising=False)
    with pytest.raises(WorkspaceError, match=r"^HTTPS_PROXY is a SOCKS proxy"):
        credential(PRINCIPAL)
