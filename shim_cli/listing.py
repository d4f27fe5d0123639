"""The rows of the route table as values: what `list` shows of a model, and what is wrong with the settings.

Never does: hold a plan, a key or a token. Invariant: what goes to JSON and comes back is equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from addons.core.routes import Route
    from addons.origins.sources import Sources


@dataclass(frozen=True, slots=True)
class Listed:
    """One model."""

    slug: str
    display_name: str
    model: str
    """What the upstream is asked for."""
    provider: str
    upstream: str
    """Where turns go, as an origin; empty for a model that is built in."""
    context_window: int | None
    live: bool
    hidden_because: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Every model in catalog order, and what is wrong with the settings."""

    models: tuple[Listed, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def live(self) -> tuple[Listed, ...]:
        """The models that Codex can choose."""
        return tuple(model for model in self.models if model.live)

    @classmethod
    def of(cls, sources: Sources) -> Self:
        """What the proxy would serve from the same files."""
        upstreams = {
            row.slug: str(row.target.origin) for row in sources.rows.rows if row.target is not None
        }
        models = tuple(
            _listed(route, _upstream(route, sources, upstreams))
            for route in sources.table().routes.values()
        )
        return cls(models, tuple(sources.problems))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The listing that `as_json` gave. Raises KeyError or TypeError for anything else."""
        models = tuple(Listed(**model) for model in value["models"])
        return cls(models, tuple(value["problems"]))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"models": [asdict(model) for model in self.models], "problems": list(self.problems)}


def _listed(route: Route, upstream: str) -> Listed:
    window = route.entry.get("context_window")
    return Listed(
        slug=route.slug,
        display_name=route.display_name,
        model=route.model,
        provider=route.provider,
        upstream=upstream,
        context_window=window if isinstance(window, int) else None,
        live=route.live,
        hidden_because=route.hidden_because,
    )


def _upstream(route: Route, sources: Sources, upstreams: Mapping[str, str]) -> str:
    if route.provider == "chatgpt":
        return str(sources.chatgpt_origin)
    return upstreams.get(route.slug, "")
