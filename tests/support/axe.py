"""axe-core in a page of the browser: what people who see, hear or point differently cannot use.

It is installed once from npm into a cache outside the repository. Never does: load anything from the network into the page.
"""

from __future__ import annotations

import json

from tests.e2e.installation import installed_package
from tests.support.chromium import Page

VERSION = "4.14.1"
_RUN = (
    "axe.run(document, {resultTypes: ['violations']}).then((found) => JSON.stringify(found.violations"
    ".map((one) => [one.id, one.nodes.map((node) => node.html + ' ' + node.failureSummary)])))"
)


async def violations(page: Page) -> list[object]:
    """Return the rules that the page violates, each with the elements."""
    source = installed_package("axe-core", VERSION) / "axe.min.js"
    await page.evaluate(source.read_text())
    result: list[object] = json.loads(await page.evaluate_async(_RUN))
    return result
