"""Secret scopes, and the tokens with which runs read secrets."""

from __future__ import annotations

import secrets

from azureml_emulator.databricks.clock import milliseconds
from azureml_emulator.databricks.documents import Documents
from azureml_emulator.databricks.errors import already_exists, does_not_exist
from azureml_emulator.store import Document, Store


class SecretScopes:
    """All secret scopes with their secrets, whose values only runs can read."""

    def __init__(self, store: Store) -> None:
        self._scopes = Documents(store.connection, "secret-scope")
        self._permissions = Documents(store.connection, "secret-scope-permissions")
        self._run_tokens: set[str] = set()

    def create(self, name: str) -> None:
        """Create a scope.

        Raises:
            DatabricksError: 400, if it exists.
        """
        if self._scopes.get(name) is not None:
            raise already_exists(f"Scope {name}")
        self._scopes.put(name, {})

    def names(self) -> list[str]:
        """List the scopes, in creation order."""
        return list(self._scopes.items())

    def delete(self, name: str) -> None:
        """Delete a scope with its secrets.

        Raises:
            DatabricksError: 404, if it does not exist.
        """
        self._get(name)
        self._scopes.delete(name)
        self._permissions.delete(name)

    def put(self, scope: str, key: str, value: str) -> None:
        """Add or replace a secret.

        Raises:
            DatabricksError: 404, if there is no such scope.
        """
        self._scopes.put(scope, {**self._get(scope), key: {"value": value, "updated": milliseconds()}})

    def remove(self, scope: str, key: str) -> None:
        """Delete a secret.

        Raises:
            DatabricksError: 404, if it does not exist.
        """
        found = self._get(scope)
        if found.pop(key, None) is None:
            raise does_not_exist(f"Secret {key} in scope {scope}")
        self._scopes.put(scope, found)

    def keys(self, scope: str) -> list[Document]:
        """List the secrets of a scope without their values.

        Raises:
            DatabricksError: 404, if there is no such scope.
        """
        found = self._get(scope)
        return [{"key": key, "last_updated_timestamp": secret["updated"]} for key, secret in found.items()]

    def read(self, scope: str, key: str) -> str:
        """Return a secret's value, for a run.

        Raises:
            DatabricksError: 404, if it does not exist.
        """
        secret = self._get(scope).get(key)
        if secret is None:
            raise does_not_exist(f"Secret with scope: {scope} and key: {key}")
        return str(secret["value"])

    def set_permission(self, scope: str, principal: str, permission: str) -> None:
        """Set the permission of a user or group; the emulator enforces none.

        Raises:
            DatabricksError: 404, if there is no such scope.
        """
        self._get(scope)
        self._permissions.put(scope, {**(self._permissions.get(scope) or {}), principal: permission})

    def permissions(self, scope: str) -> dict[str, str]:
        """Return the permissions in a scope, by principal.

        Raises:
            DatabricksError: 404, if there is no such scope.
        """
        self._get(scope)
        return {principal: str(value) for principal, value in (self._permissions.get(scope) or {}).items()}

    def new_run_token(self) -> str:
        """Return a token with which one run reads secrets, and nothing else."""
        token = secrets.token_urlsafe(32)
        self._run_tokens.add(token)
        return token

    def end_run_token(self, token: str) -> None:
        """Refuse a run's token from now on."""
        self._run_tokens.discard(token)

    def is_run_token(self, token: str) -> bool:
        """Return whether a run that has not ended has this token."""
        return any(secrets.compare_digest(token.encode(), known.encode()) for known in self._run_tokens)

    def clear(self) -> None:
        """Delete all scopes."""
        self._scopes.clear()
        self._permissions.clear()

    def _get(self, name: str) -> Document:
        scope = self._scopes.get(name)
        if scope is None:
            raise does_not_exist(f"Scope {name}")
        return scope
