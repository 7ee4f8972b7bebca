"""Prep Data: idx image files to training and test sets."""
