from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from azureml_emulator.machine.certificates import make_certificates


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_what_the_caller_trusts_stays_trusted(tmp_path: Path, variable: str) -> None:
    (tmp_path / "mine.pem").write_text("-- mine --\n")

    certificates = make_certificates(tmp_path / "certificates", "eastus", {variable: str(tmp_path / "mine.pem")})

    bundle = certificates.bundle.read_text()
    assert bundle.startswith("-- mine --\n")
    assert bundle.endswith(certificates.authority.read_text())


def test_without_a_bundle_of_his_own_the_usual_authorities_are_trusted(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "certificates", "eastus", {})

    context = ssl.create_default_context(cafile=str(certificates.bundle))

    assert context.cert_store_stats()["x509_ca"] > 100


def test_each_run_has_an_authority_of_its_own(tmp_path: Path) -> None:
    first = make_certificates(tmp_path, "eastus", {}).authority.read_bytes()

    assert make_certificates(tmp_path, "eastus", {}).authority.read_bytes() != first
