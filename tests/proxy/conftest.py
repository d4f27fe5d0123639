"""Fixtures of the boundary tests, for the tests of single modules that need a running shim."""

from tests.boundary.conftest import answers, home, no_socket_is_left

__all__ = ["answers", "home", "no_socket_is_left"]
