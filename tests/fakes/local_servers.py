"""Strict fakes of model servers on this machine: each answers the paths that the real one has, and refuses what it refuses.

Sources, 2026-11: `server/routes.go` and the API documentation of Ollama; the documentation of LM Studio's REST API, whose
answer to an unknown path is a 200 with an error; `tools/server` of llama.cpp, where only the list of models is served while a
model loads; the OpenAI servers of vLLM and SGLang. Invariant: `asked` has every request for something else than a turn, and
such a request never loads a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.fakes.http_messages import Action, Answer, Gate, Request, Send
from tests.fakes.http_server import HttpServer

CHAT = "POST /v1/chat/completions"
Document = Mapping[str, object]


@dataclass(slots=True)
class Served:
    """One model of a fake."""

    name: str
    limit: int = 131072
    context: int = 8192
    """What it gets when it is loaded."""
    loaded: bool = True
    tools: bool = True
    vision: bool = False
    embeds: bool = False
    digest: str = "d1"


def _json(document: object, status: int = 200) -> Answer:
    return Answer((Send(json.dumps(document).encode()),), status=status, chunked=False)


def _chunk(delta: Document, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    document = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: %s\n\n" % json.dumps({**document, "choices": [choice]}).encode()


def _stream(text: str) -> bytes:
    whole = _chunk({"role": "assistant", "content": text}) + _chunk({}, "stop")
    return whole + b"data: [DONE]\n\n"


def line_of(request: Request) -> str:
    """Return method and path."""
    return f"{request.method} {request.path}"


class LocalServer(HttpServer):
    """One fake. A subclass answers everything but turns."""

    def __init__(self, models: Sequence[Served] = (), port: int = 0) -> None:
        super().__init__(self._answer)
        self.port = port
        self.models = list(models) or [Served("qwen3:8b")]
        self.asked: list[str] = []
        """Method and path of each request that is no turn."""
        self.turns = 0
        self.loading = 0
        """The number of requests that still find the server loading."""
        self.gate: Gate | None = None
        """At which the next turn waits until its model is loaded."""
        self.middle: tuple[Action, ...] | None = None
        """What follows the first delta of the next turn, in place of the rest."""

    def find(self, name: str) -> Served | None:
        """Return the model that the server takes a name for."""
        return next((model for model in self.models if model.name == name), None)

    def respond(self, request: Request) -> Answer:
        """Answer a request that is no turn."""
        raise NotImplementedError

    def refusal(self, body: Document, model: Served | None) -> Answer | None:
        """Return the refusal of a turn; None if it is answered."""
        raise NotImplementedError

    def _answer(self, request: Request) -> Answer:
        line = line_of(request)
        if line != CHAT:
            self.asked.append(line)
            return self.respond(request)
        body = json.loads(request.body)
        model = self.find(body["model"])
        if refused := self.refusal(body, model):
            return refused
        self.turns += 1
        if model:
            model.loaded = True
        actions: tuple[Action, ...] = (Send(_stream("ready")),)
        if self.middle is not None:
            first = Send(_chunk({"role": "assistant", "content": "rea"}))
            actions, self.middle = (first, *self.middle), None
        headers = ((b"content-type", b"text/event-stream"),)
        return Answer(actions, headers=headers, gate=self.gate)


class Ollama(LocalServer):
    """Ollama 0.17."""

    def find(self, name: str) -> Served | None:
        """Return the model of a name, in any case, with or without `:latest`."""
        full = name if ":" in name else f"{name}:latest"
        return next((one for one in self.models if one.name.lower() == full.lower()), None)

    def respond(self, request: Request) -> Answer:
        """Answer as `/api` does."""
        line = line_of(request)
        if line == "GET /api/tags":
            rows = [{"name": m.name, "model": m.name, "digest": m.digest} for m in self.models]
            return _json({"models": rows})
        if line == "GET /api/ps":
            loaded = [model for model in self.models if model.loaded]
            rows2 = [{"name": m.name, "model": m.name, "context_length": m.context} for m in loaded]
            return _json({"models": rows2})
        if line == "POST /api/show":
            body = json.loads(request.body)
            model = self.find(body["model"]) if set(body) == {"model"} else None
            return self._shown(model) if model else _json({"error": "model not found"}, 404)
        return Answer((Send(b"404 page not found"),), status=404, chunked=False)

    def _shown(self, model: Served) -> Answer:
        kinds = ["embedding"] if model.embeds else ["completion"]
        more = [word for word, has in (("tools", model.tools), ("vision", model.vision)) if has]
        info = {"general.architecture": "qwen3", "qwen3.context_length": model.limit}
        return _json({"capabilities": kinds + more, "model_info": info, "details": {}})

    def refusal(self, body: Document, model: Served | None) -> Answer | None:
        """Refuse an unknown model, and tools for a model without them."""
        if model is None:
            text = f'model "{body["model"]}" not found, try pulling it first'
            return _json({"error": {"message": text, "type": "not_found_error"}}, 404)
        if body.get("tools") and not model.tools:
            text = f"registry.ollama.ai/library/{model.name} does not support tools"
            return _json({"error": {"message": text, "type": "invalid_request_error"}}, 400)
        if self.loading:
            self.loading -= 1
            text = "server busy, please try again.  maximum pending requests exceeded"
            return _json({"error": {"message": text, "type": "api_error"}}, 503)
        return None


class LMStudio(LocalServer):
    """LM Studio 0.4; 0.3 without the newer API."""

    has_v1 = True

    def respond(self, request: Request) -> Answer:
        """Answer as the REST API does."""
        line = line_of(request)
        if line == "GET /api/v1/models" and self.has_v1:
            return _json({"models": [self._v1(model) for model in self.models]})
        if line == "GET /api/v0/models":
            return _json({"object": "list", "data": [self._v0(model) for model in self.models]})
        path = request.path
        return _json({"error": f"Unexpected endpoint or method. ({request.method} {path})"})

    def _v1(self, model: Served) -> Document:
        loaded = [{"id": model.name, "config": {"context_length": model.context}}]
        kind = "embedding" if model.embeds else "llm"
        row = {"type": kind, "key": model.name, "max_context_length": model.limit}
        row["loaded_instances"] = loaded if model.loaded else []
        abilities = {"vision": model.vision, "trained_for_tool_use": model.tools}
        return row if model.embeds else {**row, "capabilities": abilities}

    def _v0(self, model: Served) -> Document:
        kind = "vlm" if model.vision else "llm"
        row = {"id": model.name, "type": "embeddings" if model.embeds else kind}
        state = "loaded" if model.loaded else "not-loaded"
        more = {"loaded_context_length": model.context} if model.loaded else {}
        abilities = ["tool_use"] if model.tools else []
        return {
            **row,
            "state": state,
            "max_context_length": model.limit,
            "capabilities": abilities,
            **more,
        }

    def refusal(self, body: Document, model: Served | None) -> Answer | None:
        """Refuse a model that it does not have, as with loading on demand."""
        if model is None:
            text = f'Model "{body["model"]}" not found.'
            error = {"message": text, "type": "invalid_request_error", "param": "model"}
            return _json({"error": error}, 404)
        return None


class LlamaCpp(LocalServer):
    """llama.cpp's server. It takes any name for its only model."""

    def find(self, name: str) -> Served | None:  # noqa: ARG002  it is ignored
        """Return the only model."""
        return self.models[0]

    def respond(self, request: Request) -> Answer:
        """Answer as the server does: while it loads, only its list."""
        model, line = self.models[0], line_of(request)
        if line == "GET /v1/models":
            rows = [
                {"id": model.name, "owned_by": "llamacpp", "meta": {"n_ctx_train": model.limit}}
            ]
            return _json({"object": "list", "data": rows})
        if self.loading:
            return self._loading()
        if line == "GET /props":
            settings = {"n_ctx": model.context}
            modalities = {"vision": model.vision, "audio": False}
            return _json({"default_generation_settings": settings, "modalities": modalities})
        error = {"code": 404, "message": "File Not Found", "type": "not_found_error"}
        return _json({"error": error}, 404)

    def refusal(self, body: Document, model: Served | None) -> Answer | None:  # noqa: ARG002
        """Refuse every turn while the model loads."""
        if not self.loading:
            return None
        self.loading -= 1
        return self._loading()

    def _loading(self) -> Answer:
        error = {"message": "Loading model", "type": "unavailable_error", "code": 503}
        return _json({"error": error}, 503)


class Vllm(LocalServer):
    """vLLM, which listens only when its model is loaded."""

    def respond(self, request: Request) -> Answer:
        """Answer the list."""
        if line_of(request) != "GET /v1/models":
            return _json({"detail": "Not Found"}, 404)
        rows = [{"id": m.name, "owned_by": "vllm", "max_model_len": m.context} for m in self.models]
        return _json({"object": "list", "data": rows})

    def refusal(self, body: Document, model: Served | None) -> Answer | None:
        """Refuse a model that it does not serve."""
        if model:
            return None
        text = f"The model `{body['model']}` does not exist."
        error = {"message": text, "type": "NotFoundError", "param": "model", "code": 404}
        return _json({"error": error}, 404)


class Sglang(LocalServer):
    """SGLang; an older one has the paths with `get_` and no length in its list."""

    is_old = False

    def respond(self, request: Request) -> Answer:
        """Answer list and information."""
        model, prefix = self.models[0], "get_" if self.is_old else ""
        length = {} if self.is_old else {"max_model_len": model.context}
        row = {"id": model.name, "owned_by": "sglang", **length}
        info = {"is_generation": not model.embeds, "has_image_understanding": model.vision}
        documents: Mapping[str, Document] = {
            "GET /v1/models": {"object": "list", "data": [row]},
            f"GET /{prefix}model_info": info,
            f"GET /{prefix}server_info": {"context_length": model.context},
        }
        found = documents.get(line_of(request))
        return _json(found) if found else _json({"detail": "Not Found"}, 404)

    def refusal(self, body: Document, model: Served | None) -> Answer | None:  # noqa: ARG002
        """Refuse nothing: it takes any name."""
        return None


SERVERS: Mapping[str, Callable[..., LocalServer]] = {
    "ollama": Ollama,
    "lmstudio": LMStudio,
    "llamacpp": LlamaCpp,
    "vllm": Vllm,
    "sglang": Sglang,
}
"""Provider → its fake."""
