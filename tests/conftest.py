"""Settings of every test: the number of hypothesis examples, and the file mode.

No profile has a deadline: a busy machine is not a fault of the code.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import HealthCheck, settings

from tests.support.tables import table_test

USUAL_EXAMPLES = 40
"""`just examples` tries many more."""

settings.register_profile("usual", deadline=None, max_examples=USUAL_EXAMPLES)
# hypothesis' own profile for CI has the same examples in every run
settings.register_profile("usual-ci", settings.get_profile("ci"), max_examples=USUAL_EXAMPLES)
settings.register_profile(
    "deep", deadline=None, max_examples=2_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("usual-ci" if os.environ.get("CI") else "usual")


# A shell starts what runs in its background with the signal ignored, and every program of a test would ignore it, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Use five workers for two processors: more than half of the time a test waits for a process or a connection."""
    return max(2, 5 * (os.cpu_count() or 1) // 2)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--each-row", action="store_true", help="make a test of each row of a table, to select one"
    )


def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> pytest.Function | None:
    """Run the rows of a table as one test."""
    return None if collector.config.option.each_row else table_test(collector, name, obj)


def pytest_collection() -> None:
    """Collect no garbage while tests are collected: it would visit thousands of tests again and again."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave the modules and the collected tests out of later garbage collections, which many tests ask for."""
    gc.enable()
    gc.freeze()
    _remember_authorities()


def _remember_authorities() -> None:
    """Make and check mitmproxy's authority once, and not again for each Master: its RSA key takes 40 ms."""
    if certs := sys.modules.get("mitmproxy.certs"):
        for name in ("create_ca", "load_pem_private_key"):
            setattr(certs, name, cache(getattr(certs, name)))


@pytest.fixture(autouse=True)
def usual_file_mode() -> Iterator[None]:
    """Set the usual umask. A command under test may change it for the whole process."""
    before = os.umask(0o022)
    yield
    os.umask(before)
