"""What a child needs in its environment for a run with coverage to look into it; nothing in every other run."""

from __future__ import annotations

import os

MEASURED = {name: os.environ[name] for name in ("COVERAGE_PROCESS_CONFIG",) if name in os.environ}
