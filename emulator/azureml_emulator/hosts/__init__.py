"""The emulated hosts: their routes, sign-in, scoring and run history."""
