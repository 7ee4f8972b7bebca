"""What is around every step: events, logging, whole outputs, errors, cancellation, redaction."""
