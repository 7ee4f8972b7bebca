"""A credential whose cached tokens can be dropped.

azure-identity caches a token until it expires, even if Azure rejects it because it was revoked or a clock is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenCredential


class RenewableCredential:
    """A credential that is recreated, without cached tokens, after `forget_tokens`.

    Args:
        make: Creates the credential of azure-identity.
    """

    generation = 0  # of all instances, since a rejected request does not identify its credential

    def __init__(self, make: Callable[[], TokenCredential]) -> None:
        self._make = make
        self._made, self._made_in = make(), self.generation

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return an access token; see `azure.core.credentials.TokenCredential`."""
        return self._current().get_token(*scopes, **options)

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        """Return an access token; see `azure.core.credentials.SupportsTokenInfo`."""
        current: Any = self._current()
        info: AccessTokenInfo = current.get_token_info(*scopes, options=options)
        return info

    def _current(self) -> TokenCredential:
        if self._made_in != self.generation:
            self._made, self._made_in = self._make(), self.generation
        return self._made


def forget_tokens() -> None:
    """Make every credential request a new token the next time it is used."""
    RenewableCredential.generation += 1
