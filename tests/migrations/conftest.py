"""The whole platform, as tests of the whole path have it."""

from tests.end_to_end.conftest import make_platform, platform

__all__ = ["make_platform", "platform"]
