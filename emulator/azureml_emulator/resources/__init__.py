"""The kinds of resources in a workspace: one module each, with its routes and its rules."""
