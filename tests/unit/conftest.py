"""Settings of all unit tests."""

from hypothesis import settings

# No deadlines: a slow machine is not a failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
