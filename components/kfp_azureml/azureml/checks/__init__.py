"""Checks of what a run needs in Azure; they create nothing but a small blob."""
