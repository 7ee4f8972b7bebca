"""JSON documents by kind and id, in the emulator's database."""

from __future__ import annotations

import json
import sqlite3

from azureml_emulator.store import Document

SCHEMA = """
CREATE TABLE IF NOT EXISTS databricks_documents (
    sequence INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (kind, id)
);
"""


class Documents:
    """The documents of one kind."""

    def __init__(self, connection: sqlite3.Connection, kind: str) -> None:
        self._connection = connection
        self._kind = kind
        connection.executescript(SCHEMA)

    def get(self, key: object) -> Document | None:
        """Return a document, or None."""
        row = self._connection.execute(
            "SELECT document FROM databricks_documents WHERE kind = ? AND id = ?", (self._kind, str(key))
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: object, document: Document) -> None:
        """Add or replace a document; a replaced one keeps its place in creation order."""
        self._connection.execute(
            "INSERT INTO databricks_documents (kind, id, document) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, id) DO UPDATE SET document = excluded.document",
            (self._kind, str(key), json.dumps(document)),
        )

    def delete(self, key: object) -> None:
        """Delete a document, if it exists."""
        self._connection.execute("DELETE FROM databricks_documents WHERE kind = ? AND id = ?", (self._kind, str(key)))

    def items(self) -> dict[str, Document]:
        """Return all documents by id, in creation order."""
        query = "SELECT id, document FROM databricks_documents WHERE kind = ? ORDER BY sequence"
        return {key: json.loads(document) for key, document in self._connection.execute(query, (self._kind,))}

    def clear(self) -> None:
        """Delete all documents."""
        self._connection.execute("DELETE FROM databricks_documents WHERE kind = ?", (self._kind,))
