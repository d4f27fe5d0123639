"""The text that the model gets."""

from __future__ import annotations

import orjson

from addons.core.web_search.answer import ADVICE, UNTRUSTED, SearchAnswer
from addons.core.web_search.call import PageRequest, SearchCall, SearchQuery
from addons.core.web_search.failures import SearchFailure
from addons.core.web_search.service import Hit, Page

QUERY = SearchQuery("x")
HITS = [
    Hit(f"https://{number}.example/", f"T{number}", "text", "2026-11-01") for number in range(9)
]


def test_results_with_their_sources() -> None:
    answer = SearchAnswer(SearchCall((QUERY,), max_hits=2))
    answer.add_hits(QUERY, HITS)
    assert answer.output() == (
        'Results for "x":\n\n[1] T0\nhttps://0.example/\n2026-11-01\ntext\n\n'
        f"[2] T1\nhttps://1.example/\n2026-11-01\ntext\n\n{ADVICE}\n{UNTRUSTED}"
    )
    document = orjson.loads(answer.reply().body)
    assert document["results"] == [{"url": f"https://{n}.example/", "title": f"T{n}"} for n in (0, 1)]  # fmt: skip


def test_results_that_may_not_be_shown() -> None:
    call = SearchCall((QUERY,), blocked_domains=("0.example",), max_hits=9)
    odd = [Hit("javascript:x", "a"), Hit("https://[", "b"), Hit("", "c"), HITS[0], HITS[1], HITS[1]]
    answer = SearchAnswer(call)
    answer.add_hits(QUERY, odd)
    assert answer.hits == [HITS[1]]
    answer.add_hits(SearchQuery("y", domains=("7.example",)), HITS)
    assert answer.hits == [HITS[1], HITS[7]]


def test_result_is_one_line_for_each_part() -> None:
    answer = SearchAnswer(SearchCall((QUERY,)))
    answer.add_hits(
        QUERY, [Hit("https://a.example/\n\n[9] x", "T\n\nPage https://b.example/", "a\nb")]
    )
    assert "[1] T Page https://b.example/\nhttps://a.example/ [9] x\na b\n" in answer.output()


def test_text_has_the_length_that_codex_asks_for() -> None:
    answer = SearchAnswer(SearchCall((QUERY,), max_characters=400))
    answer.add_hits(QUERY, [Hit("https://a.example/", "t", "x" * 5000)])
    assert len(answer.output()) <= 400
    assert answer.output().endswith(UNTRUSTED)


def test_call_of_which_everything_failed_is_an_error() -> None:
    answer = SearchAnswer(SearchCall((QUERY,)))
    answer.add_failure("x", SearchFailure("broken"))
    answer.add_failure("y", SearchFailure("not asked"))
    reply = answer.reply()
    assert (reply.head.status, orjson.loads(reply.body)["error"]["message"]) == (424, "broken")
    answer.add_hits(QUERY, [])
    assert answer.reply().head.status == 200
    assert "x: broken" in answer.output()


def test_pages_share_the_room() -> None:
    pages = (PageRequest("https://a.example/"), PageRequest("https://b.example/"))
    answer = SearchAnswer(SearchCall(pages=pages, max_characters=2000))
    answer.add_page(pages[0], Page("word\n" * 900))
    answer.add_page(pages[1], Page())
    assert "Page https://a.example/\n\nLines 0 to " in answer.output()
    assert "https://b.example/: The page was not opened: it has no text." in answer.output()


def test_commands_that_nobody_carries_out() -> None:
    call = SearchCall(unsupported=("time",), omitted=2)
    assert SearchAnswer(call).output() == (
        "`time` is not available here; use search_query.\n2 more queries or pages were too many for one call."
    )
    assert "nothing was searched" in SearchAnswer(SearchCall()).output()
