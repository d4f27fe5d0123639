"""A LiteLLM proxy in its own environment, as an upstream with both protocols.

Its models answer with mocks, or call a fake with the other protocol, so that LiteLLM translates between codex-shim and
the fake. Never does: open outside connections; its price list and telemetry are off. Invariant: it answers when the
context begins.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.model_upstream import KEY
from tests.sdk.environments import LITELLM
from tests.sdk.line import clean_env
from tests.support.ports import free_port

MASTER_KEY = "sk-fabricated-litellm"
MOCKED = "Hello from the mock."
START_SECONDS = 90
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "ERROR",
}


def models(fakes: Mapping[str, str]) -> list[dict[str, object]]:
    """Return a mock and one model per fake (protocol → base URL)."""
    mock = {"model": "openai/gpt-4o", "api_key": KEY, "mock_response": MOCKED}
    asks = {
        "asks-chat": {"model": "openai/fake-chat", "api_key": KEY, "api_base": fakes["chat"]},
        "asks-messages": {
            "model": "anthropic/claude-sonnet-4-5",
            "api_key": KEY,
            "api_base": fakes["messages"].removesuffix("/v1"),
        },
    }
    return [
        {"model_name": name, "litellm_params": params}
        for name, params in {"mock": mock, **asks}.items()
    ]


@contextmanager
def litellm_proxy(root: Path, fakes: Mapping[str, str]) -> Iterator[str]:
    """Start the proxy; yield its base URL."""
    port = free_port()
    config = root / "litellm.json"
    # JSON is YAML.
    settings = {
        "num_retries": 0,
        "drop_params": True,
        # By default it uses the Responses API for an OpenAI model, which the fake does not have.
        "use_chat_completions_url_for_anthropic_messages": True,
    }
    document = {
        "model_list": models(fakes),
        "litellm_settings": settings,
        "router_settings": {"num_retries": 0},
        "general_settings": {"master_key": MASTER_KEY},
    }
    config.write_text(json.dumps(document))
    log = root / "litellm.log"
    command = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(LITELLM.program("litellm")), *command],
            cwd=root,
            env={**clean_env(root / "home"), **QUIET},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_up(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/liveliness")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    msg = f"LiteLLM did not come up:\n{log.read_text(errors='replace')[-2000:]}"
    raise TimeoutError(msg)
