"""The rows of the table, a module for each measurement that gives some of them."""
