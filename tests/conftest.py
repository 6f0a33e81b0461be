"""Settings of all tests."""

import pytest
from hypothesis import settings

settings.register_profile("pomdptool", deadline=5000, print_blob=True)
settings.load_profile("pomdptool")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden outputs anew")
    parser.addoption("--release", metavar="FOLDER", help="the built release that is to be tested")
