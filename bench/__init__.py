"""Side-by-side measurements of the suite, each against a named baseline; see bench/README.md."""
