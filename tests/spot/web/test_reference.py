"""The reference: every declaration stands on a page, links lead somewhere, and each page is Markdown too."""

import re

import pytest
from django.test import Client

from spot.clients.plans import LIMITS
from spot.codes import CLOSES, ERRORS, NOTICES
from spot.dialects.own_interface import FORMS
from spot.feeds import FEEDS
from spot.feeds.view import parameter_names
from spot.query.query import OPERATORS
from spot.web import http, reference, tables
from spot.web.headers import HEADERS
from spot.web.reference import PAGES

each_page = pytest.mark.parametrize("name", PAGES)


def text(name: str) -> str:
    return reference.markdown(name, "https", "spot.example")


def address(name: str) -> str:
    return "/docs/" if name == "index" else f"/docs/{name}/"


@each_page
def test_a_page_is_html_and_markdown(name: str) -> None:
    page = Client().get(address(name), headers={"host": "localhost"})
    assert page.status_code == 200
    body = page.content.decode()
    assert re.search(r'<h1 id="[a-z-]+">', body)
    assert 'aria-current="page"' in body
    assert f'href="/docs/{name}.md"' in body
    assert "{{" not in body
    source = Client().get(f"/docs/{name}.md", headers={"host": "localhost"})
    assert source["Content-Type"] == "text/markdown; charset=utf-8"
    assert source.content.decode().startswith("# ")


@each_page
def test_links_of_a_page_lead_somewhere(name: str) -> None:
    paths = {address(one) for one in PAGES} | {path for path, _operation in http.operations()} | {"/llms.txt"}
    for target in re.findall(r"\]\(([^)\s]+)\)", text(name)):
        assert target.partition("?")[0] in paths, target


@each_page
def test_a_page_names_the_sites_own_address(name: str) -> None:
    assert "localhost" not in text(name)
    assert "://spot.example/" in text(name) or name in ("limits", "errors", "console")
    assert not re.search(r"(?<!wss)(?<!https)://spot\.example", text(name))


def test_a_page_that_is_not_there() -> None:
    for path in ("/docs/nosuch/", "/docs/index/", "/docs/nosuch.md"):
        assert Client().get(path).status_code == 404


@pytest.mark.parametrize("feed", FEEDS.values(), ids=list(FEEDS))
def test_the_page_of_a_feed_has_its_declarations(feed) -> None:
    page = text(feed.channel)
    names = [*parameter_names(feed), *(column.name for column in (*feed.columns, *feed.extras, *feed.meta))]
    names += [field.name for field in feed.fields.all]
    assert not [name for name in names if f"| `{name}` |" not in page]
    for param in feed.params:
        if param.required:
            assert f"{param.name}={param.example}" in page


def test_codes_operators_headers_limits_and_forms_are_all_there() -> None:
    assert not [code for code in ERRORS if f"| `{code}` |" not in text("errors")]
    assert not [code for code in CLOSES if f"| {int(code)} |" not in text("errors")]
    assert not [notice for notice in NOTICES if f"| `{notice}` |" not in text("messages")]
    assert not [form.name for form in FORMS if f"| {form.name} |" not in text("messages")]
    assert not [name for name in OPERATORS if f"| `{name}` |" not in text("views")]
    assert not [name for name in HEADERS if f"| `{name}` |" not in text("http")]
    assert not [path for path, _operation in http.operations() if f"| `{path}` |" not in text("http")]
    assert not [limit.counts for limit in LIMITS if f"| {limit.counts} |" not in text("limits")]


def test_llms_txt_lists_every_page() -> None:
    listed = Client().get("/llms.txt").content.decode()
    assert listed.startswith("# Spot\n\n> ")
    assert not [name for name in PAGES if f"/docs/{name}.md)" not in listed]


def test_every_page_of_the_site_leads_to_the_reference() -> None:
    assert '<a href="/docs/">API</a>' in Client().get("/").content.decode()


def test_cells_cannot_break_a_table() -> None:
    assert tables.table(("A",), [("x|y",)]).splitlines()[-1] == "| x\\|y |"
