"""What holds for every test: how many examples a property is tried with, and a file mode that no other test has left.

No profile has a deadline: a loaded machine is no fault of the code.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("usual", deadline=None)
settings.register_profile(
    "deep", deadline=None, max_examples=2_000, suppress_health_check=[HealthCheck.too_slow]
)
if not os.environ.get("CI"):
    # There hypothesis has a profile of its own, in which every run tries the same examples.
    settings.load_profile("usual")


@pytest.fixture(autouse=True)
def usual_file_mode() -> Iterator[None]:
    """A command that is run inside a test may change it, as it does for its own process."""
    before = os.umask(0o022)
    yield
    os.umask(before)
