"""What a refusal says about the request, and the one change of the request that it asks for.

`TABLE` lists the rules, the most specific first. A rule has a pattern for the text of a refusal and proposes changes in order of
preference; the plan takes the first that alters the request and sends it once more. A change that the upstream then
accepts becomes a trait. Never sends anything, never changes what the row asks for by name (`traits.row_field_against`).
Invariant: total, and a refusal that no rule matches proposes nothing.

Sources: the error texts in `tests/core/upstream/refusals.py`, each with its server and the report it was taken from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from addons.core.upstream.error_patterns import is_about_the_form
from addons.core.upstream.refusal import Refusal
from addons.core.upstream.repair_fields import REFUSED, named_fields, omitted_fields
from addons.core.upstream.repair_items import (
    any_picture,
    named_parts,
    oldest_pictures,
    refused_content,
    refused_files,
    refused_pictures,
    refused_reasoning,
    refused_steps,
    types_of_tools,
)
from addons.core.upstream.repair_own_items import own_items
from addons.core.upstream.repair_values import (
    absent_content,
    accepted_efforts,
    accepted_role,
    auth_header,
    description_limit,
    forced_choice,
    next_value,
    output_limit,
)
from addons.core.upstream.sent import Change, Sent

REPAIRABLE = frozenset({400, 401, 403, 404, 405, 413, 415, 416, 422, 500, 501})
"""Statuses of refusals that may say how to repair the request."""
KEY_STATUSES = frozenset({401, 403})
MAX_REPAIRS = 3
"""Repairs of one turn."""

Propose = Callable[[Refusal, Sent], Iterator[Change]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table."""

    name: str
    pattern: re.Pattern[str]
    """Found in the texts and field names of the refusal, in lower case."""
    propose: Propose
    statuses: frozenset[int] = REPAIRABLE - KEY_STATUSES


def proposals(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Return the changes that a refusal asks for, in the order in which they are tried."""
    if not is_about_the_form(refusal.search_text):
        return
    for rule in TABLE:
        if refusal.status in rule.statuses and rule.pattern.search(refusal.search_text):
            yield from rule.propose(refusal, sent)


TEMPLATE_ERROR = re.compile(
    r"jinja|raise_exception|chat.?template|templateerror|template error|conversation roles must alternate"
)


def is_final(refusal: Refusal) -> bool:
    """Return whether a server error would be the same for the same request: the chat template raised it."""
    return bool(TEMPLATE_ERROR.search(refusal.search_text))


TEMPORARY_FAULT = re.compile(
    r"(?<!and )(?<!then )(?:try|retry) (?:again|your request) ?(?:later|shortly|in a|in \d|[.!]?$)|please try again[.!]?$|please retry\b|temporar|overloaded|under maintenance|"
    r"(?:worker|handler|process|server|pool) (?:\w+ )?(?:crashed|panicked|exhausted|died)|upstream connect error|reset before headers|concurrent requests|encoder timed out",
    re.MULTILINE,
)
"""The words of a temporary fault, whatever else a refusal names."""


def is_temporary(refusal: Refusal) -> bool:
    """Return whether a refusal may come from a temporary fault, so that nothing is learnt from what helped."""
    return bool(TEMPORARY_FAULT.search(refusal.search_text))


def _sets(what: str, **traits: object) -> Propose:
    """Return a rule's single change: these traits."""

    def propose(_refusal: Refusal, _sent: Sent) -> Iterator[Change]:
        yield Change.of(what, **traits)

    return propose


def _each(*proposers: Propose) -> Propose:
    def propose(refusal: Refusal, sent: Sent) -> Iterator[Change]:
        for one in proposers:
            yield from one(refusal, sent)

    return propose


def _any_of(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.DOTALL)


PICTURE_WORDS = (
    r"image",
    r"picture",
    r"vision",
    r"text[- ]only|only text",
    r"attachments?\b",
    r"multi-?modal",
    r"modalit(?:y|ies)",
    r"图片|图像|照片|截图|视觉|多模态|纯文本",
    r"画像|이미지|изображени|im[aá]gen|\bbild(?:er)?\b",
)
DATA_WORDS = (r"\bpng\b|\bjpe?g\b|\bwebp\b", r"base64", r"\bdata ur[il]", r"\bmime\b")
CERTAIN = frozenset({400, 415, 422})
"""Statuses that are about the request and nothing else."""

TABLE: tuple[Rule, ...] = (
    Rule(
        "key header",
        _any_of(
            r"authorization", r"bearer", r"x-api-key", r"api-key header", r"no (?:api|auth)[ _-]?(?:key|credentials)",
            r"missing (?:an? )?(?:api|auth)", r"(?:api )?key (?:is )?(?:missing|required|not provided)",
        ),
        auth_header,
        KEY_STATUSES | {400},
    ),
    Rule(
        "protocol",
        _any_of(
            r"(?:use|using|try|only|via|supported (?:in|with|by|on)|available (?:in|on|through)|require[sd]?|call)\b[^.]{0,60}?(?:/?v1)?/responses\b",
            r"(?:use|only|via|requires?)\b[^.]{0,40}?\bresponses api",
        ),
        _sets("sent to /responses instead of /chat/completions", protocol="responses"),
    ),
    Rule(
        "effort with tools",
        _any_of(r"tools?\b.{0,80}(?:reasoning_effort|reasoning effort)", r"(?:reasoning_effort|reasoning effort).{0,80}\btools?\b"),
        _sets("sent without reasoning effort, because the request has tools", effort_with_tools=False),
    ),
    Rule("items of Codex", _any_of(""), own_items),
    Rule(
        "items of the Responses API",
        _any_of(
            r"provided without its required", r"\binput(?:\[\d+\]|\.\d+)\.(?:id|action|status|summary|content|queries|type|tools)\b", r"an id that begins with",
            r"cannot determine type of 'item'|item\['content'\]",
        ),
        refused_steps,
    ),
    Rule(
        "types of tools",
        _any_of(
            r"(?:only|must be|expected|supports?)\b.{0,30}['\"`]?function['\"`]?.{0,40}tools?\b", r"type.{0,10} of tools? must be .?function", r"unsupported (?:\w+ )?tool(?:s| type)?\b", r"tool type.{0,40}(?:not|un)\s?(?:support|known)",
            r"(?:built-?in|hosted) tools?.{0,60}not", r"tools(?:\.\d+|\[\d+\])\.type", r"(?:web_search|image_generation|file_search)\w*.{0,60}(?:not|un)\s?(?:support|known|avail|allow)",
            r"\bcustom['\"`]? tools?\b.{0,40}\b(?:not|un)\s?(?:support|allow|avail|implement|permit)", r"(?:tag|tool type):? ['\"`]?custom\b", r"\bcustom\s+invalid_\w+\s+function\b", r"received\W+custom\b.{0,80}expected\W+function",
            r"(?:unknown|unsupported|unexpected|invalid|unrecogni[sz]ed|not support\w*).{0,60}\bcustom_tool_call|\bcustom_tool_call\w*.{0,60}(?:unknown|not support|unsupported|not allowed|invalid)",
            r"['\"`]?function['\"`]? is a required property.{0,60}tools",
        ),
        types_of_tools,
    ),
    Rule(
        "reasoning must come back",
        _any_of(
            r"(?:reasoning_content|reasoning_details|thinking|reasoning)\b.{0,120}(?:must be (?:passed|sent|provided|included)|is missing|missing in|is required|required)",
            r"missing.{0,40}(?:reasoning_content|thinking block)",
            r"expected `?thinking`?.{0,40}(?:but found|found)",
            r"must start with a thinking block",
        ),
        _each(
            _sets("thinking is off while earlier calls have no reasoning of this model", needs_own_reasoning=True),
            _sets("sent with `reasoning_content`, which may be empty", replay_field="reasoning_content"),
        ),
    ),
    Rule(
        "reasoning refused",
        _any_of(
            r"signature", r"thinking.{0,60}(?:cannot be modified|must (?:remain|match)|invalid|unexpected|not (?:be )?(?:valid|verif|allowed|supported|permitted))",
            r"(?:reasoning|thinking)\b.{0,60}(?:without|missing) its required", r"without its required .?reasoning", r"思考.{0,6}签名|签名.{0,8}(?:无效|失败|错误)",
            r"redacted_thinking", r"(?:could not|cannot|failed to|unable to) (?:decrypt|verif)", r"invalid_encrypted_content",
            r"reasoning_details",
        ),
        refused_reasoning,
    ),
    Rule(
        "picture",
        _any_of(
            *PICTURE_WORDS,
            r"media[ _]type", r"photo", r"\bpixels?\b",
            r"content(?: field|\.\w+)? must be a string", r"expected a? ?string.{0,40}content", r"expected `?text`?", r"content[.\w]*type is invalid",
        ),
        refused_pictures,
    ),
    Rule(
        "address of a picture",
        _any_of(
            r"(?:download|fetch|retriev|load)\w*\b.{0,60}(?:files?|urls?|https?:|resource|media)\b", r"(?:url|https?:/).{0,80}(?:download|fetch|retriev|not found|base64)",
        ),
        refused_pictures,
        frozenset({400, 404, 415, 422}),
    ),
    Rule(
        "file",
        _any_of(r"\bfiles?\b", r"input_file", r"\bpdfs?\b", r"documents?\b", r"文件|文档"),
        refused_files,
    ),
    Rule(
        "content parts",
        _any_of(
            r"(?:content|messages).{0,160}(?:valid string|invalid type: sequence|(?:expected|must be|should be) an? string|untagged enum|应为字符串|必须是字符串)",
            r"(?:valid string|untagged enum|cannot unmarshal array|input should be 'text'|(?:expected|must be|should be) an? string).{0,160}(?:content|messages)",
        ),
        refused_content,
    ),
    Rule("too large", _any_of(""), oldest_pictures, frozenset({413})),
    Rule(
        "role of the instructions",
        _any_of(
            r"system message.{0,40}(?:beginning|first|start)", r"(?:only|at most|single|one|multiple|more than one) system",
            r"\b(?:invalid|unexpected|unknown|unsupported)\W+(?:message )?role:? ?['\"]?(?:system|developer)", r"developer",
            r"(?:not|n't|un)\w{0,12} ?(?:support|enabl|allow|accept|permit|avail)\w{0,12}.{0,40}\bsystem['\" _]{0,3}(?:role|message|prompt|instruction)",
            r"\bsystem['\" _]{0,3}(?:role|message|prompt|instruction)s?\b.{0,40}(?:not|n't|un)\w* ?(?:support|enabl|allow|accept|permit|avail)",
            r"role['\": ]{1,3}(?:system|developer)\b.{0,40}(?:not|un|invalid|forbid|disab)", r"only '?user'? and '?assistant'? roles are (?:allowed|accepted)", r"first message must (?:have|be).{0,20}user",
            r"\bsystem[ _](?:instruction|prompt|message)s? (?:is|are) (?:disabled|forbidden|blocked)",
            r"role.{0,40}does not support '(?:system|developer)'",
            r"(?:incorrect|unexpected|invalid|unknown|unsupported) (?:message )?role\b(?!:? ?['\"]?(?:user|tool|assistant))", r"messages(?:\.0|\[0\])\.role\b", r"不支持.{0,6}(?:system|系统).{0,4}(?:角色|消息|提示)|(?:system|系统).{0,8}不(?:被)?支持",
        ),
        accepted_role,
    ),
    Rule(
        "order of roles",
        _any_of(
            r"chat setting \(2013\)|\b2013\b", r"roles? must alternate|alternate user",
            r"consecutive", r"unexpected role.{0,20}after role", r"(?:expected )?last role", r"角色.{0,10}(?:交替|顺序)",
        ),
        _sets("an assistant message put between tool results and a user message", user_after_tool=False),
    ),
    Rule(
        "description of a tool",
        _any_of(
            r"description.{0,160}(?:too[ _]long|at most|maximum length|max(?:imum)? (?:of|length)|max_?length|above_max_length|exceed|longer than)",
            r"(?:too[ _]long|at most|exceed|longer than|limit of).{0,80}descriptions?\b", r"描述.{0,12}(?:过长|超)",
        ),
        description_limit,
    ),
    Rule(
        "tool choice",
        _any_of(r"tool_choice", r"tool choice"),
        forced_choice,
    ),
    Rule(
        "effort",
        _any_of(r"effort", r"\blevels?\b.{0,60}\b(?:low|medium|high)\b", r"thinking\.type", r"reasoning value", r"\bthink value", r"does not support (?:thinking|reasoning)", r"thinking is not supported", r"reasoning.{0,40}not supported", r"enable_thinking", r"thinking.{0,40}(?:not support|unsupported)", r"budget_tokens", r"thinking[ _]budget",
                r"\bthinking\b.{0,80}(?:input tag|expected tags|input should be|must be .{0,3}enabled)", r"(?:reasoning|thinking)\b.{0,80}(?:mandatory|(?:cannot|can't|must not) be (?:disabled|turned off|off)|always (?:on|enabled))",
                r"(?:only (?:works?|runs?|available|supported) in|requires?) thinking", r"(?:思考|推理(?:模式|强度|参数|能力)).{0,12}(?:不|仅|无法|非法)|(?:不|仅|无法).{0,12}(?:思考|推理(?:模式|强度|参数|能力))"),
        accepted_efforts,
    ),
    Rule(
        "output limit",
        _any_of(r"max_(?:completion_|output_|new_)?tokens", r"max(?:imum)? tokens", r"(?:output|completion) (?:tokens|length|(?:is )?too)", r"最大输出|输出长度"),
        output_limit,
    ),
    Rule(
        "output format with tools",
        _any_of(
            r"(?:json mode|response_format|response format|response mime type|structured output|json_schema|json_object|grammar)\b.{0,120}(?:tool|function call)",
            r"(?:tool|function call).{0,140}(?:json mode|response_format|response format|response mime type|structured output|custom grammar)",
        ),
        _sets("the output format described in the prompt, because it excludes tools", format_with_tools=False),
    ),
    Rule(
        "output format",
        _any_of(r"response_format", r"response format", r"json_schema", r"output_config", r"output_format", r"structured output"),
        next_value("structured_output", ("native_messages", "json_schema", "json_object", "none")),
    ),
    Rule(
        "strict",
        _any_of(r"\bstrict\b"),
        _sets("tools sent without `strict`", strict_tools=False),
    ),
    Rule(
        "tool name",
        _any_of(r"(?:function|tool)s?[ _.'\"\w\[\]]{0,40}name", r"invalid (?:function|tool) name"),
        next_value("tool_names", ("any", "word")),
    ),
    Rule(
        "schema",
        _any_of(r"schema", r"(?:tool|function)s?\b[\w\[\].]*\.parameters", r"\banyof\b|\boneof\b|\ballof\b", r"\$ref|\$defs", r"grammar", r"additionalproperties"),
        next_value("schema_cleaning", ("none", "basic", "subset", "words")),
    ),
    Rule(
        "call ids",
        _any_of(r"(?:tool_call|tool call|call_id|tool_use)[\w\[\]. ]{0,30}\bids?\b", r"tool_calls?.{0,20}\bid\b", r"string too long", r"string_above_max_length"),
        next_value("call_ids", ("any", "openai", "mistral")),
    ),
    Rule(
        "empty content",
        _any_of(r"content.{0,60}(?:null|none|<nil>|empty|non-empty|required|missing|blank)", r"(?:null|empty).{0,40}content", r"missing.{0,20}\bcontent\b"),
        absent_content,
    ),
    Rule(
        "field",
        _any_of(
            REFUSED.pattern, r"unrecognized", r"unknown", r"unsupported", r"not supported", r"not support\b", r"n't support", r"not (?:permitted|allowed|accepted|available|recognized|implemented|valid)",
            r"unexpected", r"invalid type", r"extra (?:fields|inputs|field|input|key)", r"extra_forbidden", r"additional propert", r"extraneous",
            r"no such field", r"invalid (?:field|parameter|argument|param|key|property)", r"cannot find field", r"isn't (?:supported|allowed)",
            r"does not (?:exist|accept)", r"should not be", r"must not be", r"cannot be (?:used|set|specified)", r"deprecated", r"incompatible", r"param incorrect", r"only (?:supported|available|allowed)",
        ),
        omitted_fields,
    ),
    Rule("named field", _any_of(""), named_fields, CERTAIN),
    Rule("any picture", _any_of(*PICTURE_WORDS, *DATA_WORDS), any_picture, CERTAIN),
    Rule("named part", _any_of(r"(?:messages|input|content)[.\[]\d"), named_parts),
)  # fmt: skip
"""The rules, in the order in which they are tried."""
