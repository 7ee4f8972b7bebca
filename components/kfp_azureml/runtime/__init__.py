"""What every step runs in: logging, progress events, errors, cancellation, redaction and atomic outputs."""
