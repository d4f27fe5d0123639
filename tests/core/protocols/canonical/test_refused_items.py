"""Refused pictures become notes, refused reasoning goes, names of tools become words."""

from __future__ import annotations

from dataclasses import replace

from addons.core.protocols.canonical.conversation import (
    Call,
    Conversation,
    Image,
    Output,
    Reasoning,
    System,
    Text,
    Tool,
    ToolChoice,
    User,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import wrap
from addons.core.protocols.canonical.refused_items import accepted_conversation
from addons.core.upstream.profile import Profile
from addons.core.upstream.repair_items import picture_digest, reasoning_digest
from tests.core.upstream.test_traits import TARGET

BAD, GOOD = Image("data:image/png;base64,QkFE"), Image("data:image/png;base64,R09PRA==")
NOTE = Text("[a picture was left out: big refused it]")
WORDS = replace(TARGET, profile=Profile(tool_names="word"))


def test_conversation_without_refused_items_is_the_same_object() -> None:
    conversation = Conversation((User((BAD,)),))
    assert accepted_conversation(conversation, TARGET, ()) is conversation


def test_refused_picture_is_a_note_everywhere_and_others_stay() -> None:
    conversation = Conversation((User((BAD, GOOD)), Output("c", (Text("a"), BAD))))
    found = accepted_conversation(conversation, TARGET, [picture_digest(BAD.url)])
    assert found.items == (User((NOTE, GOOD)), Output("c", (Text("a"), NOTE)))


def test_refused_reasoning_is_left_out() -> None:
    signed = [
        Reasoning("", wrap(TARGET.reasoning_scope, {"thinking": "t", "signature": name}))
        for name in ("s1", "s2")
    ]
    refused = [reasoning_digest({"signature": "s1"})]
    found = accepted_conversation(Conversation((*signed, Reasoning("shown"))), TARGET, refused)
    assert found.items == (signed[1], Reasoning("shown"))


def tool(name: str) -> Tool:
    return Tool(name, name, None, CallKind.FUNCTION, "", {"type": "object"})


def test_names_become_unique_words_that_map_back() -> None:
    conversation = Conversation(
        (Call("c", "run-it", "{}"),),
        tools=(tool("run-it"), tool("run_it"), tool("9lives"), tool("plain")),
        choice=ToolChoice("named", "run-it"),
    )
    found = accepted_conversation(conversation, WORDS, ())
    names = [one.upstream_name for one in found.tools]
    assert len(set(names)) == 4
    assert all(name.isidentifier() for name in names)
    assert names[1] == "run_it"
    assert names[3] == "plain"
    assert found.items[0] == Call("c", names[0], "{}")
    assert found.choice.upstream_name == names[0]
    mapped = found.tool(names[0])
    assert mapped is not None
    assert mapped.name == "run-it"


def test_long_description_follows_the_instructions_completely() -> None:
    short = replace(TARGET, profile=Profile(max_tool_description=100))
    long = replace(tool("a"), description="数" * 60)
    exact = replace(tool("b"), description="x" * 100)
    before = Conversation((System("Be."), User((Text("hi"),))), tools=(long, exact))
    found = accepted_conversation(before, short, ())
    assert found.items[0] == System("Be.")
    assert found.items[2:] == before.items[1:]
    assert isinstance(found.items[1], System)
    assert "数" * 60 in found.items[1].text
    assert len(found.tools[0].description.encode()) <= 100
    assert found.tools[0].description.startswith("数")
    assert found.tools[1] is exact or found.tools[1] == exact
    assert accepted_conversation(replace(before, tools=(exact,)), short, ()).items == before.items
