"""The gate of one process: masks requests before a route is chosen, and restores their answers.

Values have the placeholders of the user's thread, which its sub-agents share: what a parent's model hands over means the same
to them. A client that names no thread has one for each conversation, known by its first item or by the response that it
continues.

Never does: let a request go on that it could not read as a whole. Invariant: every failure in here is a `HookError`, and the
text of it quotes nothing of the request; a request without a private value is the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import orjson

from addons.core.codex.threads import METADATA, metadata_of, root_thread_for, thread_id_for
from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.headers import Headers, canonical
from addons.core.hooks.chain import HookError
from addons.core.json_values import JsonDict, as_str, loads_exactly
from addons.core.privacy.detectors import Detector
from addons.core.privacy.masker import GateError, TextMasker
from addons.core.privacy.memory import GateMemory, ThreadMemory
from addons.core.privacy.placeholders import Namer
from addons.core.privacy.request import masked_body
from addons.core.privacy.restorer import Restorer
from addons.core.protocols.request_body import decode, encode
from addons.core.settings.privacy import Privacy
from addons.core.turn import ClientRequest

_CODING = b"content-encoding"
_OWN_HEADERS = frozenset({METADATA})
"""Headers that hold text of the client: names of folders and of repositories."""
_SESSION_FIELDS = ("session_id", "thread_id")
BROKEN_SETTINGS = Problem(
    503,
    INVALID_PROMPT,
    "The privacy gate is on, but `privacy` in models.json cannot be read, so no turn is sent. "
    "Run `codex-shim doctor`, which says what is wrong with it, and correct it.",
)


def no_key(reason: str) -> Problem:
    """Return why no turn is sent while the key of the placeholders cannot be used."""
    return Problem(
        503,
        INVALID_PROMPT,
        f"The privacy gate is on, but its key cannot be used, so no turn is sent: {reason}. "
        "Correct this, or delete the file: a new one is made with the next turn.",
    )


NOT_JSON, NO_OBJECT = "its body is not valid JSON", "its body is JSON, but not an object"
TOO_DEEP = "it is nested too deeply"


def _unreadable(reason: str) -> HookError:
    return HookError(
        Problem(
            400,
            INVALID_PROMPT,
            f"The privacy gate could not look for private values in this request: {reason}. Nothing was sent. "
            "Correct the request, or set `privacy` in models.json to false to send it as it is.",
        )
    )


def failed(error: BaseException) -> HookError:
    """Return the error of a gate that has failed itself. The text of the exception may quote the request."""
    return HookError(
        Problem(
            500,
            INVALID_PROMPT,
            f"The privacy gate failed ({type(error).__name__}), so this turn was not sent. Please report it. "
            "Set `privacy` in models.json to false to send turns without it.",
        )
    )


def shown_counts(counts: Mapping[str, int]) -> str:
    """Return how many values of each kind there are, for people."""
    return ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))


@dataclass(slots=True)
class GatedTurn:
    """One request that went through the gate, and what its answer needs."""

    request: ClientRequest
    restorer: Restorer
    on_created: Callable[[str], None] | None = None
    """Takes the id of the response, if the client names no thread."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Kind → how many values of it were replaced."""


class Gate:
    """Masks requests with one key and one state of the settings."""

    def __init__(
        self,
        key: bytes,
        settings: Privacy,
        memory: GateMemory,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        """`lock` is held by whoever calls `mask`, and is taken here while an answer uses the memory."""
        self._key = key
        self._lock = nullcontext() if lock is None else lock
        self._memory = memory
        self._detector = Detector(settings.sets, dict(settings.patterns))
        self._salt = _salt_of(settings)

    def mask(self, request: ClientRequest, max_bytes: int) -> GatedTurn:
        """Return the request that goes on. Raises HookError."""
        try:
            return self._mask(request, max_bytes)
        except HookError:
            raise
        except RecursionError:
            raise _unreadable(TOO_DEEP) from None
        except GateError as error:
            raise _unreadable(str(error)) from None
        except Exception as error:  # noqa: BLE001  error boundary: what the gate cannot mask is not sent
            raise failed(error) from None

    def _mask(self, request: ClientRequest, max_bytes: int) -> GatedTurn:
        coding = request.header(_CODING)
        plain = decode(request.body, coding, max_bytes)
        if isinstance(plain, Problem):
            raise HookError(plain)
        payload = _parsed(plain)
        root, own, is_named = self._threads_of(request, payload)
        thread = self._memory.thread(own)
        namer = Namer(self._key, root)
        carried = dict(thread.carried)
        masker = TextMasker(self._detector, namer, carried, thread.steps, self._salt)
        masked = masked_body(payload, masker)
        headers = _masked_headers(request.headers, masker)
        # another answer of the thread may have brought a value that these texts were not searched for
        self._memory.keep_steps(thread, masker.steps if thread.carried == carried else [])
        counts = dict(masker.kinds)
        is_same = masked is payload and _is_whole(plain, payload)
        is_same_frame = request.frame is None or _is_whole(request.frame, _parsed(request.frame))
        masked_request = request
        if not (is_same and is_same_frame and headers is request.headers):
            body = request.body if is_same else encode(orjson.dumps(masked), coding)
            frame = request.frame and _masked_frame(request.frame, payload, masked, masker)
            masked_request = replace(request, headers=headers, body=body, frame=frame)
        self._memory.add_values(root, masker.known)
        restorer = Restorer(self._lookup(masker.codes, root, thread))
        return GatedTurn(
            masked_request,
            restorer,
            None if is_named else lambda response_id: self._note_response(response_id, root),
            counts,
        )

    def _note_response(self, response_id: str, root: str) -> None:
        with self._lock:
            self._memory.note_response(response_id, root)

    def _lookup(
        self, codes: dict[str, str], root: str, thread: ThreadMemory
    ) -> Callable[[str], str | None]:
        """Return the function that finds values: those of the request, then those that the thread had earlier."""

        def lookup(code: str) -> str | None:
            if (value := codes.get(code)) is not None:
                return value
            with self._lock:
                if (found := self._memory.value(root, code)) is None:
                    return None
                self._memory.carry(thread, *found)
                return found[0]

        return lookup

    def _threads_of(self, request: ClientRequest, payload: JsonDict) -> tuple[str, str, bool]:
        """Return the user's thread, the thread of the call itself, and whether the client named one."""
        metadata = metadata_of(request)
        ids = [as_str(metadata.get(name)) for name in _SESSION_FIELDS]
        root = (root_thread_for(request) or b"").decode("latin-1") or next(filter(None, ids), "")
        if root:
            own = (thread_id_for(request) or b"").decode("latin-1") or ids[1]
            return root, f"{root}/{own}", True
        if named := as_str(payload.get("prompt_cache_key")) or as_str(payload.get("conversation")):
            return f"key:{named}", f"key:{named}", True
        previous = as_str(payload.get("previous_response_id"))
        root = (previous and self._memory.thread_of(previous)) or _first(payload)
        return root, root, False


def _first(payload: JsonDict) -> str:
    """Return a name for the conversation that begins with the first item of a request."""
    given = payload.get("input")
    first = given[0] if isinstance(given, list) and given else given
    data = orjson.dumps([payload.get("instructions"), first])
    return f"first:{blake2b(data, digest_size=16).hexdigest()}"


def _parsed(plain: bytes) -> JsonDict:
    try:
        payload = loads_exactly(plain)
    except orjson.JSONDecodeError:
        raise _unreadable(NOT_JSON) from None
    if not isinstance(payload, dict):
        raise _unreadable(NO_OBJECT)
    return payload


def _is_whole(data: bytes, parsed: JsonDict) -> bool:
    """Return whether a JSON text says nothing that is not in its parsed form.

    Of members with one name the parsed form has the last, so what stands in the others was not searched. Each member has
    quotes that no escape belongs to. The text may have more of them only if it is such a text, or spells a backslash in
    an unusual way.
    """
    return _quotes(data) == _quotes(orjson.dumps(parsed))


def _quotes(data: bytes) -> int:
    return data.count(b'"') - data.count(rb"\"")


def _salt_of(settings: Privacy) -> bytes:
    """Return what tells these settings from others, with which other values are found."""
    patterns = [(name, one.pattern, one.flags) for name, one in settings.patterns.items()]
    return blake2b(repr((settings.sets, patterns)).encode(), digest_size=16).digest()


def _masked_headers(headers: Headers, masker: TextMasker) -> Headers:
    changed = tuple(
        (name, masker.json_text(value.decode("latin-1")).encode("latin-1"))
        if canonical(name) in _OWN_HEADERS
        else (name, value)
        for name, value in headers
    )
    return headers if changed == headers else changed


def _masked_frame(
    frame: bytes, payload: JsonDict, masked: JsonDict, masker: TextMasker
) -> bytes | None:
    """Return the client's frame with the masked items of the body; None if they are not the last ones of the body.

    The server has the items before them as they were masked then.
    """
    own = _parsed(frame)
    new, whole, whole_masked = own.get("input"), payload.get("input"), masked.get("input")
    if not (isinstance(new, list) and isinstance(whole, list) and isinstance(whole_masked, list)):
        return None
    at = len(whole) - len(new)
    if at < 0 or whole[at:] != new:
        return None
    # the memory holds the texts of the body alone
    rest = TextMasker.continuing(masker)
    sent = masked_body({name: value for name, value in own.items() if name != "input"}, rest)
    return orjson.dumps({**own, **sent, "input": whole_masked[at:]})
