"""Logging, progress events, errors, cancellation, redaction and atomic outputs of steps."""
