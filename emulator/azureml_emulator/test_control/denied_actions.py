"""Denied actions of Azure role-based access control: requests that perform them get 403."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


class DeniedActions:
    """The actions that the application may not perform; it may perform all others."""

    def __init__(self) -> None:
        self._actions: list[str] = []

    @property
    def actions(self) -> list[str]:
        """The denied actions, as `notActions` of a role."""
        return list(self._actions)

    def set(self, actions: Iterable[str]) -> None:
        """Replace the denied actions, which may have wildcards."""
        self._actions = list(actions)

    def denies(self, action: str) -> bool:
        """Return whether an action is denied; case does not matter."""
        return any(fnmatchcase(action.lower(), denied.lower()) for denied in self._actions)
