"""Settings of all tests."""

from hypothesis import settings

settings.register_profile("pomdptool", deadline=5000, print_blob=True)
settings.load_profile("pomdptool")
