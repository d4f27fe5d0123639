from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from addons.adapters.traits_store import FileTraits, traits_file
from addons.core.upstream.traits import Source, Trait
from shim_cli.doctor.finding import DoctorContext, Finding
from shim_cli.doctor.models import model_findings
from tests.shim_cli.doctor.findings import put

ROW = {
    "model": "deepseek-chat",
    "provider": "deepseek",
    "api_key": "sk-hush",
    "extra_headers": {"x-token": "hush"},
    "fallback": ["shim-demo"],
}


def context(env: dict[str, str]) -> DoctorContext:
    return DoctorContext(env, 9, cwd=Path(env["HOME"]))


def lines(findings: list[Finding]) -> list[str]:
    return [f"{each.section}: {each.level} {each.message}" for each in findings]


def test_models_view_shows_upstream_and_abilities(env: dict[str, str], tmp_path: Path) -> None:
    put(tmp_path / ".codex-shim" / "models.json", json.dumps([ROW]))

    report = lines(model_findings(context(env)))

    assert "deepseek-chat: OK deepseek-chat: deepseek-chat by DeepSeek" in report
    assert (
        "deepseek-chat: INFO chat at https://api.deepseek.com, "
        "api_key in the file, extra_headers.x-token in the file"
    ) in report
    assert "deepseek-chat: INFO fallback: shim-demo" in report
    assert "gpt-5.5: INFO forwarded unchanged to http://127.0.0.1:9" in report
    assert "hush" not in repr(report)


def test_model_that_describes_pictures_is_named(env: dict[str, str], tmp_path: Path) -> None:
    rows = [{**ROW, "vision": "eyes"}, {**ROW, "slug": "eyes"}]
    put(tmp_path / ".codex-shim" / "models.json", json.dumps(rows))

    report = lines(model_findings(context(env)))

    assert any(one.endswith("images: described by eyes") for one in report)
    assert any(one.startswith("eyes: ") and one.endswith("images: yes") for one in report)


def test_learnt_traits_are_shown_with_date_refusal_and_the_way_to_forget_them(
    env: dict[str, str], tmp_path: Path
) -> None:
    row = {**ROW, "extra_body_params": {"top_k": 1}}
    put(tmp_path / ".codex-shim" / "models.json", json.dumps([row]))
    store = FileTraits(traits_file(env))
    traits = [
        Trait("omit:user", value=True, refusal_text="Unknown\nparameter: 'user'."),
        Trait("omit:top_k", value=True, refusal_text="no top_k"),
        Trait("call_ids", "verbatim", Source.OBSERVED),
    ]
    store.learn("chat:https://api.deepseek.com:deepseek-chat", traits, ["digest"])
    store.flush()
    day = datetime.now(UTC).date()

    found = {each.message: each.advice for each in model_findings(context(env))}

    forget = "codex-shim model forget deepseek-chat"
    assert found[f"learnt {day}: `user` is not sent: \"Unknown parameter: 'user'.\""] == forget
    assert found[f"observed {day}: call ids: verbatim"] == forget
    assert found["1 refused pictures or reasoning blocks are not sent again"] == forget
    [overruled] = [text for text in found if "extra_body_params.top_k" in text]
    assert overruled.startswith("not applied, because the row sets")
