"""The documents keep up with the code: every feed, field, operator, code, limit and setting stands in their tables;
their examples parse, their clients work, their links lead somewhere."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

import providers
from providers.base import Provider
from providers.datasets import COINS, CURRENCIES, MEMBERS, Dataset
from providers.pacing import SHARE, Poll, factors
from providers.sandbox.faults import KINDS
from spot.clients.plans import LIMITS
from spot.codes import CLOSES, ERRORS, NOTICES
from spot.dialects import batch
from spot.dialects.base import Amend
from spot.dialects.messages import ACTIONS, MODES, read
from spot.dialects.own import read_address
from spot.feeds import FEEDS, GAINERS, MARKET, OHLCV, Feed
from spot.feeds.answer import Answer
from spot.feeds.params import Param
from spot.feeds.view import parameter_names, view_of
from spot.hub.groups import Group
from spot.hub.hub import Hub
from spot.management.commands import compose
from spot.query.query import OPERATORS
from spot.web import answers, http, public, twins
from spot.web.health import CHECKS
from tests.spot.rows import FACTS, candles, market
from tests.spot.written import delta_frame, heartbeat_frame, snapshot_frame, status_frame

ROOT = Path(settings.BASE_DIR)
FILES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCS = {str(file.relative_to(ROOT)): file.read_text() for file in FILES}
ENDPOINTS, CONFIGURATION = DOCS["docs/endpoints.md"], DOCS["docs/configuration.md"]
OPERATING, SANDBOX = DOCS["docs/operating.md"], DOCS["docs/sandbox.md"]
SOURCE = "".join((ROOT / "spot_project" / name).read_text() for name in ("settings.py", "whereabouts.py"))
ADDRESS = r"(?:ws|http)://localhost:8000/tzone_apis/services/spot/(?!sse/stream)(?:ws/|sse/)?([a-z-]+)(?:\?"
#: Raw JSON has quotes in it, so an address ends at a quote only where it is quoted.
BARE, QUOTED = re.compile(rf"^{ADDRESS}(\S+(?: \S+)*))?", re.MULTILINE), re.compile(rf"['\"]{ADDRESS}([^'\"]*))?")


#: Of the settings that are for more than one process, and of the variables in the documents.
PREFIXES = "|".join(["SPOT", *(provider.name.upper() for provider in providers.all() if not provider.simulated)])


def cells(text: str) -> list[list[str]]:
    """The rows of all tables of a document, each a list of its cells without backticks."""
    lines = [line for line in text.split("\n") if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def row(text: str, first: str) -> list[str]:
    """The table row that begins with that cell; an assertion fails when there is none, or more than one."""
    found = [one for one in cells(text) if one[0] == first]
    assert len(found) == 1, f"{len(found)} rows begin with {first!r}"
    return found[0]


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    start = text.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{1,{level}}} ", text[start:], re.MULTILINE)
    return text[start : start + end.start()] if end else text[start:]


def fences(text: str, kind: str) -> list[str]:
    """The contents of the fenced blocks of that kind."""
    return re.findall(rf"^```{re.escape(kind)}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


# --- feeds ------------------------------------------------------------------------------------------------------------

each_feed = pytest.mark.parametrize("feed", FEEDS.values(), ids=list(FEEDS))
each_param = pytest.mark.parametrize(
    ("feed", "param"),
    [(feed, param) for feed in FEEDS.values() for param in feed.params],
    ids=lambda one: getattr(one, "channel", None) or one.name,
)


@each_feed
def test_the_readme_has_every_feed_with_its_parameters(feed: Feed) -> None:
    _, purpose, parameters = row(DOCS["README.md"], feed.channel)
    assert purpose == feed.purpose
    assert parameters.split(", ") == [param.name for param in feed.params]


@each_feed
def test_a_feed_has_its_own_section(feed: Feed) -> None:
    assert section(ENDPOINTS, f"### {feed.channel}")
    assert row(ENDPOINTS, f"[{feed.channel}](#{feed.channel})")[1] == feed.purpose


@each_param
def test_a_parameter_stands_in_the_table_of_its_feed(feed: Feed, param: Param) -> None:
    _, default, allowed = row(section(ENDPOINTS, f"### {feed.channel}"), param.name)
    assert allowed == param.allowed
    if param.required:
        assert default == "required"
    elif param.default is not None:
        assert default == written(param.default)


def written(default: Any) -> str:
    """A default as the tables write it."""
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else f"{default:g}" if default != "usd" else "usd"


def test_every_view_parameter_is_described() -> None:
    described = {name for one in cells(section(ENDPOINTS, "## View parameters")) for name in one[0].split(", ")}
    for feed in FEEDS.values():
        assert set(parameter_names(feed, MODES)) - {param.name for param in feed.params} <= described


@each_feed
def test_every_field_and_spelling_is_described(feed: Feed) -> None:
    table = cells(section(ENDPOINTS, "### Fields"))
    for field in feed.fields.all:
        assert any(one[0] == field.name and set(field.aliases) <= set(one[2].split(", ")) for one in table), field


def test_every_filter_operator_is_described() -> None:
    for name, operator in OPERATORS.items():
        _, meaning, takes = row(section(ENDPOINTS, "### Filters"), name)
        assert meaning == operator.meaning
        assert takes.startswith({"value": "a value", "list": "a list", "text": "text"}[operator.takes])


def test_every_action_is_described() -> None:
    shown = "\n".join(fences(ENDPOINTS, "json message"))
    assert all(f'"action": "{action}"' in shown for action in ACTIONS)


# --- frames, errors, codes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feed", [MARKET, GAINERS, OHLCV], ids=lambda feed: feed.channel)
def test_every_field_of_the_envelope_is_described(feed: Feed) -> None:
    frame = json.loads(snapshot_frame(page_of(feed, rows_of(feed, 3)), FACTS, 1, stale=False))
    described = {name for one in cells(section(ENDPOINTS, "## The envelope")) for name in one[0].split(", ")}
    assert frame.keys() <= described


def test_every_field_of_control_frames_is_shown() -> None:
    shown = {
        frame["type"]: frame.keys()
        for block in fences(section(ENDPOINTS, "## Status, heartbeats and notices"), "json")
        for frame in map(json.loads, block.splitlines())
    }
    assert shown["status"] == json.loads(status_frame("market", "live", FACTS, 0)).keys()
    assert shown["heartbeat"] == json.loads(heartbeat_frame("market", FACTS, 1, 0)).keys()


def test_every_notice_is_described() -> None:
    codes = set(re.findall(r'\.notice\(\s*"(\w+)"', Path(sys.modules[Hub.__module__].__file__ or "").read_text()))
    assert Group.notice  # what the pattern above looks for
    assert codes == set(NOTICES)
    for code, when in NOTICES.items():
        assert row(ENDPOINTS, code)[1] == when


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_stands_in_the_table(code: str) -> None:
    fact = ERRORS[code]
    assert row(section(ENDPOINTS, "## Errors"), code)[1:] == [
        fact.when.replace("`", ""),
        str(int(fact.close)),
        str(fact.status),
        "yes" if fact.retry else "no",
    ]


@pytest.mark.parametrize("code", CLOSES, ids=lambda code: code.name)
def test_every_close_code_stands_in_the_table(code: Any) -> None:
    fact = CLOSES[code]
    assert row(section(ENDPOINTS, "## Close codes"), str(int(code)))[1:] == [
        fact.meaning,
        "yes" if fact.reconnect else "no",
    ]


def test_every_header_of_the_twins_is_described() -> None:
    sources = "".join(Path(module.__file__).read_text() for module in (answers, http, public, twins))
    headers = set(re.findall(r'"((?:[A-Z]\w*-)+\w+|ETag|Vary|Allow|Upgrade)"', sources))
    ordinary = {
        "Vary",
        "Cache-Control",
        "Upgrade",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Allow",
        "Access-Control-Allow-Headers",
        "Access-Control-Allow-Methods",
        "Access-Control-Max-Age",
        "Access-Control-Allow-Origin",
        "Access-Control-Expose-Headers",
    }
    assert "X-Spot-Age-Ms" in headers
    for header in headers - ordinary:
        assert row(section(ENDPOINTS, "## HTTP"), header)


# --- settings and limits ----------------------------------------------------------------------------------------------


def defaults() -> dict[str, Any]:
    """Every variable that the settings read, with its default where that is written down as a value."""
    found = {}
    for call in ast.walk(ast.parse(SOURCE)):
        reads = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if reads and isinstance(call.func.value, ast.Name) and call.func.value.id == "env" and call.args:
            given = [word.value for word in call.keywords if word.arg == "default"]
            constant = given and isinstance(given[0], ast.Constant)
            assert isinstance(call.args[0], ast.Constant)
            found[call.args[0].value] = given[0].value if constant else None
    of_providers = {f"{one.name.upper()}_{setting}": None for one in providers.all() for setting in one.settings}
    return found | of_providers


@pytest.mark.parametrize(("name", "default"), defaults().items(), ids=list(defaults()))
def test_every_setting_is_described_with_its_default(name: str, default: object) -> None:
    found = [one for one in cells(CONFIGURATION) if one[0] == name]
    assert len(found) == 1, f"docs/configuration.md has {len(found)} rows for {name}"
    if default not in (None, ""):
        assert found[0][1] == {"False": "off", "True": "on"}.get(str(default), str(default))


def test_no_document_names_a_setting_that_does_not_exist() -> None:
    known = set(defaults()) | {"SPOT_SAMPLES", "SPOT_PUBLISH", "SPOT_STORE_PREFIX", "SPOT_SECRET_KEY_FILE"}
    known |= {"SPOT_URL", "SPOT_KEY"}  # of the command `spot`, which is a client
    for name, text in DOCS.items():
        named = set(re.findall(rf"\b(?:{PREFIXES}|SANDBOX)_[A-Z_]*[A-Z]\b", text))
        assert named <= known, f"{name}: {named - known}"


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.setting)
def test_every_limit_is_described(limit: Any) -> None:
    _, _, counts, breach = row(CONFIGURATION, limit.setting)
    assert [counts, breach] == [limit.counts, limit.breach.replace("`", "")]


def test_compose_hands_over_every_setting_but_those_that_are_its_own() -> None:
    for name in compose.FILES:
        text = (ROOT / name).read_text()
        assert compose.written(text, settings.SPOT_READ) == text, "run manage.py compose"
    handed = set(re.findall(rf"^    ((?:{PREFIXES})_\w+?)(?:_FILE)?:", text, re.MULTILINE))
    asked = {name for name in defaults() if re.match(rf"(?:{PREFIXES})_", name)}
    assert asked - handed == {"SPOT_HOME", "SPOT_STATIC_ROOT", "SPOT_BIND", "SPOT_DEBUG"}
    assert not handed - asked


@pytest.mark.parametrize("provider", [one for one in providers.all() if not one.simulated], ids=lambda one: one.name)
def test_every_plan_is_described(provider: Provider) -> None:
    described = {(one[0], one[1]): one[2:] for one in cells(CONFIGURATION) if len(one) == 5}
    for plan in provider.plans:
        minute, month, address = described[provider.label, plan.name]
        assert minute == (f"{plan.per_minute:,}" if plan.per_minute else "none published")
        assert month == (f"{plan.per_month:,}" if plan.per_month else "none published")
        assert address == (plan.base_url or plan.stream_url)


def test_the_arithmetic_of_budgets_is_right() -> None:
    plans = {plan.name: plan for plan in providers.all()[0].plans}
    rows = [one for one in cells(section(OPERATING, "## Budgets and pace")) if "currenc" in one[1]]
    assert {one[0] for one in rows} == {"keyless", "demo", "pro"}
    assert "80 %" in OPERATING
    assert SHARE == 0.8
    for name, watched, seconds, factor, _ in rows:
        plan, count = plans[name], int(watched.split()[0])
        markets = [Dataset("markets", f"cur{n}") for n in range(count)]
        demand = dict.fromkeys(markets, Poll(2, 2, 60.0))
        demand |= dict.fromkeys((CURRENCIES, COINS, *MEMBERS), Poll(1, 1, 86_400.0))
        month = SHARE * plan.per_month / (30 * 86_400) if plan.per_month else float("inf")
        stretched = factors(demand, SHARE * plan.per_minute / 60, month)[markets[0]]
        assert (int(seconds), float(factor)) == (round(60 * stretched), round(stretched, 1))


def test_every_readiness_check_is_described() -> None:
    for check in CHECKS:
        assert row(section(OPERATING, "## Health and readiness"), check)


def test_every_fault_of_the_sandbox_is_described() -> None:
    for kind, options in KINDS.items():
        described = row(section(SANDBOX, "## Faults"), kind)[2]
        for option, default in options.items():
            shown = isinstance(default, (int, float)) and not isinstance(default, bool) and default < 10**6
            assert re.search(rf"\b{option}\b" + (rf" {re.escape(str(default))}" if shown else ""), described), option


# --- examples ---------------------------------------------------------------------------------------------------------


def requests() -> list[tuple[str, str]]:
    """Feed and query string of every address of a feed in the documents."""
    bare = [found for text in DOCS.values() for block in fences(text, "text") for found in BARE.findall(block)]
    found = {*bare, *(found for text in DOCS.values() for found in QUOTED.findall(text))}
    return sorted((channel, query) for channel, query in found if channel != "batch")


@each_feed
def test_every_feed_has_an_example_request(feed: Feed) -> None:
    assert any(channel == feed.channel and query for channel, query in requests())


@pytest.mark.parametrize(("channel", "query"), requests())
def test_every_example_request_parses(channel: str, query: str) -> None:
    read_address(FEEDS[channel], query.encode(), depth=1000, extra=("format",))


def test_the_example_of_a_batch_is_one() -> None:
    [body] = re.findall(r"/batch' -d '(.*?)'", ENDPOINTS, re.DOTALL)
    [answer] = [line for line in ENDPOINTS.splitlines() if line.startswith('{"views":[{"status"')]
    wanted = batch.read(body.encode(), depth=1000)
    assert [isinstance(one, batch.Wanted) for one in wanted] == [
        part["status"] == 200 for part in json.loads(answer)["views"]
    ]


def test_every_example_message_changes_what_it_names() -> None:
    view = view_of(MARKET, {}, 1000)
    for line in [line for block in fences(ENDPOINTS, "json message") for line in block.splitlines()]:
        command = read(line)
        if isinstance(command, Amend):
            assert view.updated(command.changes, 1000).key != view.key, line


@pytest.mark.parametrize("name", DOCS)
def test_every_line_of_json_is_json(name: str) -> None:
    for block in fences(DOCS[name], "json"):
        for line in block.splitlines():
            json.loads(line)


# --- the clients ------------------------------------------------------------------------------------------------------


def rows_of(feed: Feed, count: int, shift: float = 0.0) -> list[dict[str, Any]]:
    return candles(count) if feed is OHLCV else market(count, shift)


def page_of(feed: Feed, rows: list[dict[str, Any]], **raw: object) -> Answer:
    raw |= {"coin_id": "bitcoin"} if feed is OHLCV else {"per_page": 250}
    return Answer(view_of(feed, raw, 1000), feed.table(rows), extended=True)


def changes() -> list[tuple[Answer, Answer]]:
    """Pages before and after: other cells, another order, rows that left and entered, another number of rows."""
    pairs = [
        (page_of(feed, rows_of(feed, 12), page_size=8), page_of(feed, rows_of(feed, count, 3.5), page_size=8))
        for feed in (MARKET, GAINERS, OHLCV)
        for count in (12, 5, 30)
    ]
    caps = rows_of(MARKET, 12)
    turned = [{**one, "market_cap": place} for place, one in enumerate(caps)]
    sort = {"sort_by": "market_cap", "page_size": 5}
    return [*pairs, (page_of(MARKET, caps, **sort), page_of(MARKET, turned, **sort))]


def frames() -> list[tuple[Any, Any, Any]]:
    """(snapshot before, delta, snapshot after) as a client gets them."""
    return [
        (
            json.loads(snapshot_frame(old, FACTS, 1, stale=False)),
            json.loads(delta_frame(old, new, FACTS, 1, 2, stale=False)),
            json.loads(snapshot_frame(new, FACTS, 2, stale=False)),
        )
        for old, new in changes()
    ]


def test_the_deltas_tried_on_the_clients_say_everything_a_delta_can() -> None:
    said = {name for _, delta, _ in frames() for name in delta}
    assert {"changed", "entered", "left", "order"} <= said


def test_the_python_client_arrives_at_the_next_snapshot() -> None:
    client: dict[str, Any] = {"__name__": "documented"}
    exec(fences(section(ENDPOINTS, "### Python"), "python")[0], client)
    for before, delta, after in frames():
        rows = client["apply"](client["keyed"](before["data"]), delta)
        expected = client["keyed"](after["data"])
        assert rows == expected
        assert list(rows) == list(expected)


def node() -> str:
    """The program that runs JavaScript."""
    places = os.pathsep.join([os.environ["PATH"], str(Path(sys.executable).parent)])
    program = shutil.which("node", path=places)
    assert program, "node is needed to try the JavaScript of the documents; `make test` fetches one"
    return program


def test_the_javascript_client_arrives_at_the_next_snapshot() -> None:
    script = (
        fences(section(ENDPOINTS, "### JavaScript"), "js")[0]
        + """
        const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
        const plain = (rows) => [...rows];
        console.log(JSON.stringify(input.map(([before, delta, after]) =>
          [plain(apply(keyed(before.data), delta)), plain(keyed(after.data))])));
        """
    )
    ran = subprocess.run(
        [node(), "-e", script], input=json.dumps(frames()), capture_output=True, text=True, check=True, timeout=30
    )
    for rows, expected in json.loads(ran.stdout):
        assert rows == expected


def test_the_clients_know_when_not_to_reconnect() -> None:
    final = {int(code) for code, fact in CLOSES.items() if not fact.reconnect}
    for kind in ("python", "js"):
        named = re.search(r"FINAL = [\[{]([\d, ]+)[\]}]", "\n".join(fences(ENDPOINTS, kind)))
        assert named
        assert {int(code) for code in named[1].split(",")} == final


# --- links and manners ------------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """The anchors that headings make."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCS)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", DOCS[name]):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text()), target


@pytest.mark.parametrize("folder", ["spot", "providers"])
def test_every_module_has_its_place_in_the_architecture(folder: str) -> None:
    named = set(re.findall(r"`(?:\w+/)?(\w+\.py)`", DOCS["docs/architecture.md"]))
    rooms = {"management", "migrations", "templatetags", "adapters", "protocols", "sandbox", "admin"}
    modules = {path.name for path in (ROOT / folder).rglob("*.py") if not rooms & set(path.relative_to(ROOT).parts)} - {
        "__init__.py",
        "apps.py",
    }
    assert modules <= named


def test_every_document_is_linked_from_the_readme() -> None:
    for name in DOCS:
        assert name == "README.md" or f"]({name})" in DOCS["README.md"], name


def test_images_are_small() -> None:
    images = list((ROOT / "docs" / "pictures").iterdir())
    assert images
    for image in images:
        assert image.stat().st_size < (1_500_000 if image.suffix == ".webp" else 300_000), image.name


@pytest.mark.parametrize("name", DOCS)
def test_no_document_knows_the_machine_it_was_written_on(name: str) -> None:
    machine = r"(?<![\w.:])/(?:work|tmp|root|home|Users)/|registry\.|pypi\.org|proxy\.golang"
    assert not re.search(machine, DOCS[name])


def test_the_changelog_has_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", DOCS["CHANGELOG.md"], re.MULTILINE)
