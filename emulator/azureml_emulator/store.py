"""All state that survives a restart, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_NAME = "state.sqlite"
"""In the state folder."""
Document = dict[str, Any]
"""A resource in ARM's form: id, name, type, properties, systemData ..."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE COLLATE NOCASE,
    collection TEXT NOT NULL COLLATE NOCASE,
    type TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS resources_by_collection ON resources (collection);
CREATE INDEX IF NOT EXISTS resources_by_type ON resources (type);
CREATE TABLE IF NOT EXISTS endpoint_keys (
    endpoint TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    primary_key TEXT NOT NULL,
    secondary_key TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS secrets (
    resource TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    secret TEXT
);
CREATE TABLE IF NOT EXISTS fingerprints (
    asset TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    fingerprint TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS operations (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    resource TEXT NOT NULL COLLATE NOCASE,
    status TEXT NOT NULL,
    started TEXT NOT NULL,
    ended TEXT,
    error TEXT
);
"""


@dataclass(frozen=True)
class EndpointKeys:
    """The two keys of an online endpoint."""

    primary: str
    secondary: str


class Store:
    """Resources by ARM id, case-insensitive, with the secrets of some of them.

    Attributes:
        connection: The database, for tables of other modules.
    """

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        # A crash of the emulator loses nothing; a crash of the machine can lose the last writes.
        self.connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {SCHEMA}")
        self._deleted: set[str] = set()
        if not self.connection.execute("SELECT 1 FROM pragma_table_info('operations') WHERE name = 'ended'").fetchone():
            # A state folder from before operations had an end time.
            self.connection.execute("ALTER TABLE operations ADD COLUMN ended TEXT")

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    def get(self, resource_id: str) -> Document | None:
        """Return a resource, or None."""
        row = self.connection.execute("SELECT document FROM resources WHERE id = ?", (resource_id,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, document: Document) -> None:
        """Add or replace a resource; a replaced one keeps its place in creation order."""
        collection = document["id"].rsplit("/", 1)[0]
        self.connection.execute(
            "INSERT INTO resources (id, collection, type, document) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET document = excluded.document",
            (document["id"], collection, document["type"], json.dumps(document)),
        )
        self._deleted.discard(document["id"].lower())

    def set_properties(self, resource_id: str, **properties: object) -> None:
        """Change properties of a resource; do nothing if it is gone."""
        document = self.get(resource_id)
        if document is not None:
            document["properties"].update(properties)
            self.put(document)

    def delete(self, resource_id: str) -> None:
        """Remove a resource and everything below it."""
        self._deleted.add(resource_id.lower())
        # From "id/" up to, not including, "id0": "0" is the character after "/".
        self.connection.execute(
            "DELETE FROM resources WHERE id = :id OR (id >= :id || '/' AND id < :id || '0')", {"id": resource_id}
        )
        self.connection.execute("DELETE FROM endpoint_keys WHERE endpoint = ?", (resource_id,))
        self.connection.execute("DELETE FROM secrets WHERE resource = ?", (resource_id,))
        self.connection.execute(
            "DELETE FROM fingerprints WHERE asset = :id OR (asset >= :id || '/' AND asset < :id || '0')",
            {"id": resource_id},
        )

    def was_deleted(self, resource_id: str) -> bool:
        """Return whether a missing resource was deleted since the start."""
        return resource_id.lower() in self._deleted

    def clear(self) -> None:
        """Remove all resources, keys and secrets."""
        self._deleted.clear()
        self.connection.execute("DELETE FROM resources")
        self.connection.execute("DELETE FROM endpoint_keys")
        self.connection.execute("DELETE FROM secrets")
        self.connection.execute("DELETE FROM fingerprints")

    def list_collection(self, collection: str) -> list[Document]:
        """List the resources directly below a path, in creation order."""
        return self._list("collection", collection)

    def list_type(self, resource_type: str) -> list[Document]:
        """List all resources of an ARM type, in creation order."""
        return self._list("type", resource_type)

    def _list(self, column: str, value: str) -> list[Document]:
        query = f"SELECT document FROM resources WHERE {column} = ? ORDER BY sequence"  # noqa: S608 - our own words
        return [json.loads(row[0]) for row in self.connection.execute(query, (value,))]

    def get_keys(self, endpoint_id: str) -> EndpointKeys | None:
        """Return an endpoint's keys, or None."""
        row = self.connection.execute(
            "SELECT primary_key, secondary_key FROM endpoint_keys WHERE endpoint = ?", (endpoint_id,)
        ).fetchone()
        return None if row is None else EndpointKeys(*row)

    def put_keys(self, endpoint_id: str, keys: EndpointKeys) -> None:
        """Set an endpoint's keys."""
        self.connection.execute(
            "INSERT OR REPLACE INTO endpoint_keys VALUES (?, ?, ?)", (endpoint_id, keys.primary, keys.secondary)
        )

    def get_secret(self, resource_id: str) -> str | None:
        """Return a resource's secret, which its `GET` does not show, or None."""
        row = self.connection.execute("SELECT secret FROM secrets WHERE resource = ?", (resource_id,)).fetchone()
        return None if row is None else row[0]

    def put_secret(self, resource_id: str, secret: str | None) -> None:
        """Set or remove a resource's secret."""
        self.connection.execute("INSERT OR REPLACE INTO secrets VALUES (?, ?)", (resource_id, secret))

    def get_fingerprint(self, asset_id: str) -> str | None:
        """Return the fingerprint of an asset's files at registration, or None."""
        row = self.connection.execute("SELECT fingerprint FROM fingerprints WHERE asset = ?", (asset_id,)).fetchone()
        return None if row is None else row[0]

    def put_fingerprint(self, asset_id: str, fingerprint: str) -> None:
        """Set the fingerprint of an asset's files."""
        self.connection.execute("INSERT OR REPLACE INTO fingerprints VALUES (?, ?)", (asset_id, fingerprint))
