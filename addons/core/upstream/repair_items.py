"""Finds the pictures and the reasoning that a refusal is about, so that each becomes a note or is left out.

An item is identified by a digest of its content: the same item is then recognized in every later request. Invariant: a
refusal that names an item affects that item only; one that counts items affects the oldest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from urllib.parse import unquote_to_bytes

import orjson

from addons.core.json_values import as_object
from addons.core.upstream.base64_data import plain_base64
from addons.core.upstream.patterns import at_first_use
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.refusal import Path, Refusal, field_path
from addons.core.upstream.sent import Change, Sent

DIGEST_BYTES = 12
ESCAPED_CHARACTERS = 64 * 1024
"""How much percent-encoded data is decoded, which takes a second for each million."""
CLIENT_TOOLS = frozenset(
    {"function", "custom", "namespace", "local_shell", "tool_search", "shell", "apply_patch"}
)
"""Types of tools that the client runs."""
HOSTED_STEPS = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "image_generation_call",
        "code_interpreter_call",
        "mcp_list_tools",
    }
)
NO_FILES = Change.of("files sent as notes: the upstream takes none", files=False)
NO_PICTURES = Change.of("pictures sent as notes: the model takes none", images=False)
PART_FIELDS = frozenset({"image_url", "input_image", "image", "input_file", "file", "file_data"})
FILE_FIELDS = ("file_data", "file_url", "file_id")
_OF_ANSWER = frozenset(
    {"message", "function_call", "custom_tool_call", "local_shell_call", "reasoning"}
)
SIGNED_FIELDS = ("signature", "redacted_thinking", "data")
_DAMAGED = at_first_use(
    r"could not process|cannot process|unable to (?:process|decode|read|load|download|fetch)|failed to (?:process|decode|load|read|download|fetch|open)|"
    r"invalid (?:base64|image|picture)|corrupt|damaged|truncated|media[ _]type|mime|format|exceeds?|too (?:large|big|small)|larger than|"
    r"unsupported image|image is valid|valid image|(?:invalid|bad)[ _](?:image|url)|image_parse|timed? ?out|"
    r"(?:error|fail\w{0,20}|unable|timeout|could ?n[o']t|not).{0,30}(?:download|fetch|load|retriev|open|read|connect)\w{0,20}|(?:download|fetch|load|retriev)\w{0,20}.{0,40}(?:fail|error|timed|timeout)|"
    r"(?:url|https?:/).{0,80}not found|not found.{0,60}\burl|格式|解析|下载|损坏|大小|尺寸|像素|过大|链接|"
    r"dimension|pixels?\b|\bmb\b|bytes|not a valid image|cannot identify image|decod|could not be"
)
_UNSUPPORTED = at_first_use(
    r"(?:does not|doesn't|do not|don't|cannot|can't|not) (?:support|accept|handle|have vision|allow)|support image input|unsupported content|"
    r"not supported|only (?:supports? )?(?:text|accepts)|text[- ]only|not a (?:multi-?modal|vision)|unknown variant|must be a string|"
    r"expected (?:a )?`?(?:text|string)|no vision|vision is|without (?:vision|mmproj)|mmproj|image input|is not enabled|only supported by|"
    r"invalid (?:value|type|content type)\W{1,4}(?:input_file|file|input_image|image_url|image)\b|type is invalid|(?:input|content|modality|part|block)s?\W{0,10}(?:is |are )?unsupported|"
    r"text[- ]only|only text|disabled|cannot see|can't see|(?:is|are) (?:disabled|forbidden|not (?:accepted|allowed|implemented|enabled|available))|纯文本|请勿上传|不支持|不具备|(?:仅|只)支持文本|无法(?:处理|识别|理解|查看)|没有视觉|対応していません|サポートされていません|지원(?:하지 않|되지 않)|не поддерж|no (?:admite|soporta)|nicht unterst[üu]tzt"
)
_WANTS_BASE64 = re.compile(
    r"must be (?:a )?base64|only (?:supports? )?(?:base64|data ur[il])|base64[- ]encoded images? (?:only|required)"
)
_ITEM_ID = re.compile(r"\.id\b|an id that begins with|without its required .?reasoning")
_EXPECTED = re.compile(
    r"supported (?:values|types)|expected|(?:allowed|valid) (?:values|types)|must be one of"
)
_FILE_WORDS = re.compile(
    r"input_file|file_data|\bfile inputs?\b|\bpdfs?\b|\bdocuments?\b|文件|文档"
)
_PICTURE_WORDS = re.compile(r"image|picture|图片|图像")
_TOO_MANY = at_first_use(
    r"too many|at most \d|more than \d|maximum (?:number|of)|max(?:imum)?(?: allowed)? (?:number of )?images|many-image|up to \d|number of images|images? (?:count|limit)|数量|exceed\w{0,20} (?:the )?(?:limit|maximum)[^.]{0,20}images"
)
_COUNT = at_first_use(
    r"(?:at most|up to|more than|maximum(?: number)? of|maximum of|limit(?: of| is)?|exceeds?|only|allowed:?|超过|不超过|最多) ?(\d{1,3})\b(?! ?(?:mb|px|pixel|kb|bytes))"
)
_TEXT_PATH = re.compile(r"(?:messages|input|content)(?:[.\[]\d+\]?|\.[a-z_]+)+")
_POSITION = re.compile(
    r"image (?:at (?:index|position) (\d{1,3})|(?:#|number |no\. ?)?(\d{1,3})\b)(?! ?(?:mb|px|pixel|kb|bytes))"
)
_IN_TOOL = re.compile(r"tool (?:message|result|role|output)|role '?tool|tool_result|\"tool\"")


def refused_pictures(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose notes in place of the pictures that were refused, or of all pictures of this model."""
    pictures = list(_pictures(sent.body, ()))
    if not pictures or _is_about_files(refusal.search_text):
        return
    text = refusal.search_text
    named = _linked(text, sent.body) or _named_items(refusal, pictures)
    damaged = _DAMAGED.search(text)
    unsupported = _UNSUPPORTED.search(text) or (not damaged and _is_unknown_part(refusal))
    if _IN_TOOL.search(text) and sent.target.profile.tool_images:
        yield Change.of("pictures moved out of tool results", tool_images=False)
    if unsupported and not damaged:
        yield NO_PICTURES
    if _TOO_MANY.search(text):
        yield _as_notes(_oldest(pictures, text), "the oldest pictures")
    if named:
        yield _as_notes(named, "a picture that was refused")
    elif damaged:
        yield _as_notes([pictures[-1][1]], "the newest picture")
        yield _as_notes([digest for _, digest in pictures], "all pictures so far")
    if unsupported and damaged:
        yield NO_PICTURES


def any_picture(_refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose a note in place of the newest picture, or of all: the refusal is about pictures in words of its own."""
    pictures = [digest for _, digest in _pictures(sent.body, ())]
    # A row that says that the model takes pictures is not corrected by a guess.
    if pictures and "images" not in sent.target.row_fields:
        yield _as_notes(pictures[-1:], "the newest picture")
        yield _as_notes(pictures, "all pictures so far")


def refused_content(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose notes for all pictures and files where a server takes text alone: at the place that it names, if any."""
    named = [one for one in named_paths(refusal) if any(part.isdecimal() for part in one)]
    for found, change in (
        (_pictures(sent.body, ()), NO_PICTURES),
        (_files(sent.body, ()), NO_FILES),
    ):
        places = [at for at, _ in found]
        if places and (not named or any(_is_at(path, at) for path in named for at in places)):
            yield change


def named_parts(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose a note in place of the picture or file at the very position that a refusal names, whatever it says."""
    parts = [*_pictures(sent.body, ()), *_files(sent.body, ())]
    paths = [[part for part in path if part.isdecimal()] for path in named_paths(refusal)]
    for at, digest in parts:
        own = [part for part in at if part.isdecimal()]
        if len(own) > 1 and any(path[: len(own)] == own for path in paths):
            yield Change("a note in place of the part that was refused", items=(digest,))


def types_of_tools(_refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose to declare no tool that the upstream would run itself, then to declare all as functions.

    The chat protocol does the latter; a request of the Responses API is sent as the client wrote it.
    """
    tools = sent.body.get("tools")
    declared = [as_object(one) for one in tools] if isinstance(tools, list) else []
    if any(is_hosted(one) for one in declared):
        yield Change.of("sent without hosted tools", hosted_tools=False)
    items = sent.body.get("input")
    steps = [as_object(one).get("type") for one in items] if isinstance(items, list) else []
    types = [one.get("type") for one in declared if not is_hosted(one)]
    is_custom = any(one != "function" for one in types) or "custom_tool_call" in steps
    if is_custom and sent.target.protocol is Protocol.RESPONSES:
        yield Change.of("sent to /chat/completions instead of /responses", protocol="chat")


def is_hosted(tool: Mapping[str, object]) -> bool:
    """Return whether a tool of a Responses request is run by the upstream."""
    return "type" in tool and tool["type"] not in CLIENT_TOOLS


def refused_steps(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose to leave out the ids of items, or the steps of hosted tools and the reasoning that were refused."""
    text, items = refusal.search_text, sent.body.get("input")
    if not isinstance(items, list):
        return
    if "required following item" in text or "'item'" in text or "item['content']" in text:
        yield from _refused_native_reasoning(refusal, sent)
    elif _ITEM_ID.search(text) and any("id" in as_object(one) for one in items):
        yield Change.omitting("input.*.id")
    numbers = [int(one[1]) for one in map(numbered, named_paths(refusal)) if one]
    named = [as_object(items[number]) for number in dict.fromkeys(numbers) if number < len(items)]
    if digests := tuple(filter(None, map(step_digest, named))):
        yield Change("steps left out that were refused", items=digests)


def numbered(path: Path) -> Path:
    """Return a path from `input` on; empty if it names no item."""
    tail = path[path.index("input") :] if "input" in path else ()
    return tail if len(tail) > 1 and tail[1].isdecimal() else ()


def step_digest(item: Mapping[str, object]) -> str:
    """Return what identifies a step that no other item needs: reasoning, or the record of a hosted tool; else empty."""
    if item.get("type") == "reasoning":
        return native_reasoning_digest(item)
    if item.get("type") not in HOSTED_STEPS:
        return ""
    return _digest(f"step {orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()}")


def refused_files(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose a note in place of the file that was refused, or of every file."""
    files = list(_files(sent.body, ()))
    if not files:
        return
    named = _named_items(refusal, files)
    if not _UNSUPPORTED.search(refusal.search_text) and not _is_unknown_part(refusal):
        yield Change(
            "a note in place of a file that was refused", items=tuple(named or [files[-1][1]])
        )
    yield NO_FILES


def oldest_pictures(_refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose notes in place of the older half of the pictures, because the request is too large."""
    pictures = list(_pictures(sent.body, ()))
    if pictures:
        yield _as_notes(_oldest(pictures, ""), "the oldest pictures")


def refused_reasoning(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose to leave out the signed reasoning that was refused."""
    if "reasoning" in refusal.search_text:
        yield from _refused_native_reasoning(refusal, sent)
    blocks = list(_signed(sent.body, ()))
    if named := _named_items(refusal, blocks):
        yield Change("reasoning left out that was refused", items=tuple(named))
    if blocks:
        digests = dict.fromkeys(digest for _, digest in blocks)
        yield Change(
            "earlier reasoning left out: its signatures were refused", items=tuple(digests)
        )
    messages = sent.body.get("messages")
    if isinstance(messages, list) and any(
        "reasoning_details" in as_object(one) for one in messages
    ):
        yield Change.omitting("messages.*.reasoning_details")


def _refused_native_reasoning(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose to leave out the reasoning item that a Responses API names, or that nothing of its answer follows."""
    items = sent.body.get("input")
    if not isinstance(items, list):
        return
    reasoning = [
        (as_object(one).get("id"), native_reasoning_digest(as_object(one)), after)
        for one, after in zip(items, [*items[1:], None], strict=True)
        if as_object(one).get("type") == "reasoning"
    ]
    named = [
        digest for own, digest, _ in reasoning if own and str(own).lower() in refusal.search_text
    ]
    alone = [
        digest for _, digest, after in reasoning if as_object(after).get("type") not in _OF_ANSWER
    ]
    for digests in (named or alone, [digest for _, digest, _ in reasoning]):
        if any(digests):
            yield Change("reasoning left out that was refused", items=tuple(filter(None, digests)))


def native_reasoning_digest(item: Mapping[str, object]) -> str:
    """Return what identifies a reasoning item of the Responses API; empty if nothing does."""
    value = item.get("encrypted_content") or item.get("id")
    return _digest(f"reasoning {value}") if isinstance(value, str) and value else ""


def file_digest(part: Mapping[str, object]) -> str:
    """Return what identifies a file part of the Responses API."""
    value = next((value for key in FILE_FIELDS if isinstance(value := part.get(key), str)), "")
    return _digest(f"file {value}")


def picture_digest(url: str) -> str:
    """Return what identifies a picture by its URL: of a `data:` URL, the bytes and not their spelling."""
    if url[:5].lower() != "data:":
        return _digest(url)
    head, _, data = url.partition(",")
    if not head.lower().endswith(";base64"):
        is_long = len(data) > ESCAPED_CHARACTERS
        return _digest(data if is_long else unquote_to_bytes(data).decode("latin-1"))
    return _digest_of(plain_base64(data))


def reasoning_digest(block: Mapping[str, object]) -> str:
    """Return what identifies signed reasoning; empty if it has no signature."""
    value = next((value for key in SIGNED_FIELDS if isinstance(value := block.get(key), str)), "")
    return _digest(value) if value else ""


def _as_notes(digests: list[str], which: str) -> Change:
    return Change(f"a note in place of {which}", items=tuple(dict.fromkeys(digests)))


def _oldest(pictures: list[tuple[Path, str]], text: str) -> list[str]:
    """Return the oldest pictures. Half of those that are allowed stay, so that this is rarely necessary."""
    counts = [int(count) for count in _COUNT.findall(text)]
    allowed = [count for count in counts if 0 < count < len(pictures)]
    keep = (max(allowed) + 1) // 2 if allowed else len(pictures) // 2
    return [digest for _, digest in pictures[: len(pictures) - keep]]


def _named_items(refusal: Refusal, items: list[tuple[Path, str]]) -> list[str]:
    """Return the digests of the items at a position that the refusal names."""
    found = [digest for path in named_paths(refusal) for at, digest in items if _is_at(path, at)]
    if not found:
        for index, number in _POSITION.findall(refusal.search_text):
            position = int(index) if index else int(number) - 1
            if 0 <= position < len(items):
                found.append(items[position][1])
    return list(dict.fromkeys(found))


def named_paths(refusal: Refusal) -> list[Path]:
    """Return the paths of fields that a refusal names."""
    paths = [one.field for one in refusal.complaints if one.field]
    return paths + [field_path(match) for match in _TEXT_PATH.findall(refusal.search_text)]


def _is_about_files(text: str) -> bool:
    """Return whether files are refused, and pictures at most named among what is accepted."""
    rejected = _EXPECTED.split(text, maxsplit=1)[0]
    return bool(_FILE_WORDS.search(rejected)) and not _PICTURE_WORDS.search(rejected)


def _is_unknown_part(refusal: Refusal) -> bool:
    """Return whether a validator does not know the field that holds a picture or a file."""
    return any(one.field[-1:] and one.field[-1] in PART_FIELDS for one in refusal.complaints)


def _is_at(path: Path, at: Path) -> bool:
    """Return whether a named path leads to, or into, the item at a position."""
    numbers = [part for part in path if part.isdecimal()]
    own = [part for part in at if part.isdecimal()]
    # One number alone names a message: every item in it.
    if not numbers:
        return False
    return own[: len(numbers)] == numbers or numbers[: len(own)] == own


def _pictures(value: object, at: Path) -> Iterator[tuple[Path, str]]:
    for place, url in _picture_urls(value, at):
        yield place, picture_digest(url)


def _picture_urls(value: object, at: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _picture_urls(one, (*at, str(index)))
    elif isinstance(value, Mapping):
        if url := _picture_url(value):
            yield at, url
            return
        for key in ("messages", "input", "content", "output"):
            if isinstance(below := value.get(key), list):
                yield from _picture_urls(below, (*at, key))


def _linked(text: str, body: object) -> list[str]:
    """Return the digests of the pictures whose address a refusal quotes, or of all with one if it wants base64."""
    urls = [url for _, url in _picture_urls(body, ()) if url[:5].lower() != "data:"]
    quoted = [url for url in urls if url.lower() in text]
    chosen = quoted or (urls if _WANTS_BASE64.search(text) else [])
    return [picture_digest(url) for url in dict.fromkeys(chosen)]


def _files(value: object, at: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _files(one, (*at, str(index)))
    elif isinstance(value, Mapping):
        if value.get("type") == "input_file":
            yield at, file_digest(value)
            return
        for key in ("input", "content", "output"):
            if isinstance(below := value.get(key), list):
                yield from _files(below, (*at, key))


def _picture_url(part: Mapping[str, object]) -> str:
    match part:
        case {"type": "image_url" | "input_image", "image_url": {"url": str(url)} | str(url)}:
            return url
        case {"type": "image", "source": {"type": "base64", "data": str(data)}}:
            return f"data:;base64,{data}"
        case {"type": "image", "source": {"url": str(url)}}:
            return url
    return ""


def _signed(value: object, at: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _signed(one, (*at, str(index)))
    elif isinstance(value, Mapping):
        if value.get("type") in {"thinking", "redacted_thinking"}:
            if digest := reasoning_digest(value):
                yield at, digest
            return
        for key in ("messages", "content"):
            yield from _signed(value.get(key), (*at, key))


def _digest(text: str) -> str:
    return _digest_of(text.encode("utf-8", "surrogatepass"))


def _digest_of(data: bytes) -> str:
    return blake2b(data, digest_size=DIGEST_BYTES).hexdigest()
