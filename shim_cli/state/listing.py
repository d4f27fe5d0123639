"""The route table as plain values: what `list` shows of each model, and the problems of the settings.

Never does: hold a plan, a key or a token. Invariant: a listing survives the round trip through JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from addons.adapters.route_sources import RouteSources
    from addons.core.routes import Route
    from addons.core.upstream.traits import Traits


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model."""

    slug: str
    display_name: str
    model: str
    """The upstream's name of the model."""
    provider: str
    upstream: str
    """The upstream's origin; empty for a built-in model."""
    context_window: int | None
    live: bool
    hidden_because: str
    """Why the model is not live. The name is a key of `list --json`."""
    learnt: tuple[str, ...] = ()
    """Traits that were observed or learnt at its upstream."""
    label: str = ""
    """The name of the upstream for people; empty for that of the provider."""
    vision: str = ""
    """The slug of the model that describes pictures for this one; empty if none does."""
    login: str = ""
    """The kind of Codex's login that its turns are sent with; empty for a model with another credential."""

    @property
    def credited(self) -> tuple[str, ...]:
        """Who answers and with which login, in words, each only if it says something new."""
        label = self.label or self.provider
        return (
            (self.login,)
            if self.login.startswith(label)
            else tuple(filter(None, (label, self.login)))
        )

    @property
    def answered_by(self) -> tuple[str, ...]:
        """Who answers, with which login and where, in words, each only if it says something new."""
        address = self.upstream.partition("://")[2]
        upstream = "" if address and address in self.label else self.upstream
        return (*self.credited, *filter(None, [upstream]))


@dataclass(frozen=True, slots=True)
class Listing:
    """Every model in catalog order, and the problems of the settings."""

    models: tuple[ListedModel, ...] = ()
    problems: tuple[str, ...] = ()
    privacy: str = ""
    """What the privacy gate replaces, and for which models it does not; empty while it is off."""

    @property
    def live(self) -> tuple[ListedModel, ...]:
        """The models that Codex can choose."""
        return tuple(model for model in self.models if model.live)

    @classmethod
    def of(cls, sources: RouteSources) -> Self:
        """Return the listing that the proxy would serve from the same files."""
        targets = {row.slug: row.target for row in sources.rows.rows if row.target is not None}
        upstreams = {slug: str(target.origin) for slug, target in targets.items()}
        traits = sources.row_routes.traits
        learnt = {
            slug: learnt_facts(traits.current(to.traits_scope)) for slug, to in targets.items()
        }
        table = sources.table()
        models = tuple(
            replace(
                _listed(route, _upstream(route, sources, upstreams), learnt.get(route.slug, ())),
                login=_login(route, sources) if route.slug not in targets else "",
                # `problems` names one that is no model
                vision=route.vision if table.resolve(route.vision) else "",
            )
            for route in table.routes.values()
        )
        return cls(models, tuple(sources.problems), _privacy(sources))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the listing that `as_json` returned. Raises KeyError or TypeError for other input."""
        models = tuple(
            ListedModel(**{**model, "learnt": tuple(model["learnt"])}) for model in value["models"]
        )
        return cls(models, tuple(value["problems"]), value["privacy"])

    def as_json(self) -> dict[str, Any]:
        """Return the listing as JSON values."""
        models = [asdict(model) for model in self.models]
        return {"models": models, "problems": list(self.problems), "privacy": self.privacy}


def learnt_facts(traits: Traits) -> tuple[str, ...]:
    """Return what is known of a model, one text per fact."""
    facts = [trait.description for trait in traits.entries.values()]
    if traits.refused_items:
        facts.append(f"{len(traits.refused_items)} refused items are sent as notes")
    return tuple(facts)


def _listed(route: Route, upstream: str, learnt: tuple[str, ...]) -> ListedModel:
    # not needed while the cached listing is valid
    from addons.core.routes import route_label  # noqa: PLC0415

    window = route.entry.get("context_window")
    return ListedModel(
        slug=route.slug,
        display_name=route.display_name,
        model=route.model,
        provider=route.provider,
        upstream=upstream,
        context_window=window if isinstance(window, int) else None,
        live=route.live,
        hidden_because=route.unavailable_reason,
        learnt=learnt,
        label=route_label(route),
    )


def _privacy(sources: RouteSources) -> str:
    privacy = sources.settings.privacy
    if not privacy.is_on:
        return ""
    if privacy.is_broken:
        return "on, but its settings cannot be read: no turn is sent"
    exempt = [row.slug for row in sources.rows.rows if not row.privacy]
    return f"on ({privacy.shown})" + (f"; off for {', '.join(exempt)}" if exempt else "")


def _login(route: Route, sources: RouteSources) -> str:
    name, _ = sources.account.service
    return sources.account.login_name if route.live and route.provider == name else ""


def _upstream(route: Route, sources: RouteSources, upstreams: Mapping[str, str]) -> str:
    if route.slug in upstreams:
        return upstreams[route.slug]
    name, origin = sources.account.service
    return str(origin) if route.provider == name else ""
