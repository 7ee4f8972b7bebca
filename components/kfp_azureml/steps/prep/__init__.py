"""Prepare training and test sets from idx image files."""
