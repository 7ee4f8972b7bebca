"""Write a GitHub workflow's identity token to a file for azure-identity; with SECONDS again and again, until killed.

    python3 federated_token.py FILE [SECONDS]

A token is valid for minutes, and azure-identity reads the file again whenever it renews its own.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
import urllib.request
from pathlib import Path

AUDIENCE = "api%3A%2F%2FAzureADTokenExchange"


def write(file: Path) -> None:
    request = urllib.request.Request(  # noqa: S310 - GitHub's own address
        f"{os.environ['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={AUDIENCE}",
        headers={"Authorization": f"Bearer {os.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        token = json.load(answer)["value"]
    new = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(token)
    new.replace(file)


def main(file: str, seconds: str = "") -> None:
    if not seconds:
        write(Path(file))
    while seconds:
        time.sleep(float(seconds))
        try:
            write(Path(file))
        except (OSError, ValueError, KeyError) as error:
            print(f"token not renewed ({type(error).__name__}), next try in {seconds} s", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
