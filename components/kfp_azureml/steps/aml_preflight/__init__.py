"""Check, before anything is computed, that the Azure ML steps at the end will find their workspace."""
