"""The reference of the interface under `/docs/`: Markdown from templates and declarations, and HTML of it.

A page is a row of `PAGES`, or a feed. Its Markdown is served at `/docs/<page>.md`, and `/llms.txt` lists all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import get_template, select_template
from django.utils.html import escape
from django.utils.text import slugify
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from spot import dialects
from spot.clients.plans import LIMITS
from spot.clients.protocols import label, protocol_of
from spot.clients.tickets import SECONDS
from spot.codes import ERRORS, Close
from spot.dialects.messages import MAX_MESSAGE
from spot.dialects.openapi import ABOUT
from spot.dialects.own import PREFIX
from spot.feeds import FEEDS, Feed
from spot.web import http, pages, tables
from spot.web.gate import page_scheme
from spot.web.headers import HEADERS


class Page(NamedTuple):
    """A page: its title, a line on it, its template, and what the template shows beside the addresses."""

    title: str
    summary: str
    template: str
    facts: Callable[[], Mapping[str, Any]]


def _index() -> Mapping[str, Any]:
    return {"about": ABOUT, "feeds": tables.feeds("/docs/")}


def _views() -> Mapping[str, Any]:
    market = FEEDS["market"]
    return {"parameters": tables.feed_parameters(FEEDS["historical-ohlcv"])[1], "operators": tables.operators(),
            "fields": tables.fields(market)}  # fmt: skip


def _messages() -> Mapping[str, Any]:
    frames = [(payload, tables.objects(payload)) for payload in tables.extended_frames(FEEDS["ticker-tape"])]
    return {
        "forms": tables.forms(),
        "messages": tables.client_messages(),
        "frames": [(one.name.removeprefix("TickerTape"), one.summary, fields) for one, fields in frames],
        "states": tables.states(),
        "notices": tables.notices(),
        "missing": tables.missing(),
        "most_bytes": MAX_MESSAGE,
        "heartbeat": settings.SPOT_HEARTBEAT_SECONDS,
    }


def _protocols() -> Mapping[str, Any]:
    paths = [(f"/{route.path}", "WebSocket") for route in dialects.routes()]
    paths += [(f"/{rest.root}", "HTTP") for rest in dialects.rests()]
    rows = [(tables.code(path), label(name), by) for path, by in sorted(paths) if (name := protocol_of(path))]
    return {"paths": tables.table(("Path", "Vendor", "By"), rows)}


def _http() -> Mapping[str, Any]:
    return {"operations": tables.operations(http.operations()), "headers": tables.headers(HEADERS.values())}


def _limits() -> Mapping[str, Any]:
    rows = [(one.counts, getattr(settings, one.setting) or "none", one.breach) for one in LIMITS]
    return {"limits": tables.table(("What is counted", "At most", "Beyond it"), rows)}


def _errors() -> Mapping[str, Any]:
    return {"errors": tables.error_codes(), "closes": tables.close_codes()}


def _keys() -> Mapping[str, Any]:
    closes = (Close.KEY, Close.OUT_OF_CREDITS, Close.FORBIDDEN, Close.ORIGIN, Close.PLAN_CHANGED)
    codes = [code for code, fact in ERRORS.items() if fact.close in closes]
    return {"seconds": SECONDS, "errors": tables.error_codes(codes)}


def _stream() -> Mapping[str, Any]:
    channel = next(one for one in http.channels() if one.id == "Stream")
    # Frames of single feeds, which have a summary, are the envelope's.
    own = [one for one in channel.forms[0].frames if not one.summary or one.name == "StreamPricePrice"]
    return {
        kind: [(one.name.removeprefix("Stream"), tables.objects(one)) for one in payloads]
        for kind, payloads in (("messages", channel.messages), ("frames", own))
    }


def _sse() -> Mapping[str, Any]:
    return {"channels": tables.channels(one for one in http.channels() if one.protocol == "sse")}


def _feed(feed: Feed) -> Page:
    def facts() -> Mapping[str, Any]:
        own, view = tables.feed_parameters(feed)
        note = select_template([f"reference/notes/{feed.channel}.md", "reference/notes/none.md"])
        return {
            "feed": feed,
            "is_table": feed.headers is not None,
            "query": "&".join(f"{one.name}={one.example}" for one in feed.params if one.example),
            "note": note.render().strip(),
            "own": own,
            "view": view,
            "columns": tables.columns(feed.columns),
            "extras": tables.columns(feed.extras) if feed.extras else "",
            "meta": tables.columns(feed.meta) if feed.meta else "",
            "fields": tables.fields(feed),
            "errors": tables.feed_errors(feed),
        }

    return Page(feed.channel, feed.purpose, "feed.md", facts)


def _nothing() -> Mapping[str, Any]:
    return {}


PAGES: dict[str, Page] = {
    "index": Page("API", "addresses, feeds, documents for machines", "index.md", _index),
    "console": Page("Console", "build a query, see its frames live, copy its code", "console.md", _nothing),
    "views": Page("Queries", "filters, search, sorting, pages and times", "views.md", _views),
    "messages": Page("Messages", "what sockets send and take: plain rows, envelope, deltas", "messages.md", _messages),
    "stream": Page("Stream", "one WebSocket for all feeds and single coins", "stream.md", _stream),
    "sse": Page("Server-sent events", "feeds as HTTP answers that go on", "sse.md", _sse),
    "keys": Page("Keys", "keys, tickets, plans", "keys.md", _keys),
    "protocols": Page(
        "Other protocols", "for programs that speak to other vendors already", "protocols.md", _protocols
    ),
    "http": Page("HTTP", "paths, headers, caching, CSV", "http.md", _http),
    "limits": Page("Limits", "how much a client may use", "limits.md", _limits),
    "errors": Page("Errors", "error codes and close codes", "errors.md", _errors),
    **{name: _feed(feed) for name, feed in FEEDS.items()},
}


# --- Markdown and HTML ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def markdown(name: str, scheme: str, host: str) -> str:
    """The Markdown of a page, with addresses of this site. KeyError: there is no such page."""
    page = PAGES[name]
    socket = "wss" if scheme == "https" else "ws"
    addresses = {
        "site": f"{scheme}://{host}",
        "http": f"{scheme}://{host}/{PREFIX}",
        "ws": f"{socket}://{host}/{PREFIX}/ws",
    }
    template = get_template(f"reference/{page.template}")
    return template.render({"page": page, **addresses, **page.facts()}).strip() + "\n"


class _Renderer(RendererHTML):
    """Headings have anchors; tables and code scroll by themselves, also by keyboard."""

    def heading_open(self, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: EnvType) -> str:
        anchor = slugify(tokens[at + 1].content.replace("`", ""))
        return f'<{tokens[at].tag} id="{escape(anchor)}">'

    def table_open(self, *_parts: Any) -> str:
        return '<div class="ref-scroll" tabindex="0"><table>\n'

    def table_close(self, *_parts: Any) -> str:
        return "</table></div>\n"

    def fence(self, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: EnvType) -> str:
        return f'<pre tabindex="0"><code>{escape(tokens[at].content)}</code></pre>\n'


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")


@lru_cache(maxsize=256)
def html(name: str, scheme: str, host: str) -> str:
    """The same as HTML."""
    return str(_parser().render(markdown(name, scheme, host)))


# --- views ------------------------------------------------------------------------------------------------------------


def _place(request: HttpRequest) -> tuple[str, str]:
    return page_scheme(request.scheme or "http"), request.get_host()


@require_safe
async def page(request: HttpRequest, name: str = "index") -> HttpResponse:
    """A page of the reference. Everybody may read it; the console's feeds need a ticket where pages need one."""
    if name not in PAGES or (name == "index" and request.path != "/docs/"):
        raise Http404
    if name == "console":
        await pages.may_show_data(request)
    groups = (
        ("Interface", [(one, PAGES[one]) for one in PAGES if one not in FEEDS]),
        ("Feeds", [(one, PAGES[one]) for one in FEEDS]),
    )
    facts = {"name": name, "page": PAGES[name], "content": html(name, *_place(request)), "groups": groups}
    return pages.page(request, "spot/reference.html", facts)


@require_safe
def source(request: HttpRequest, name: str) -> HttpResponse:
    """The Markdown of a page."""
    if name not in PAGES:
        raise Http404
    return HttpResponse(markdown(name, *_place(request)), content_type="text/markdown; charset=utf-8")


@require_safe
def llms(request: HttpRequest) -> HttpResponse:
    """The list of the pages, for language models (llmstxt.org)."""
    scheme, host = _place(request)
    site = f"{scheme}://{host}"
    lines = ["# Spot", "", f"> {ABOUT}", "", "## Reference", ""]
    lines += [f"- [{page.title}]({site}/docs/{name}.md): {page.summary}" for name, page in PAGES.items()]
    lines += ["", "## Documents for machines", ""]
    lines += [f"- [{kind.summary}]({site}{path})" for path, kind in http.DOCUMENTS.items()]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
