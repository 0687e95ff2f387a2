"""The package for JavaScript, out of what `npm pack` makes: it runs in Node beside `ws` alone, and its types hold."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.clients.conftest import CLIENTS, Site
from tests.live import wait_until
from tests.test_docs import node

PACKAGE = CLIENTS / "javascript"
MODULES = PACKAGE / "node_modules"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of somebody's own, with the packed package and `ws` installed."""
    folder = tmp_path_factory.mktemp("project")
    subprocess.run([node(), PACKAGE / "build.mjs"], check=True, capture_output=True, timeout=60)
    packing = ["npm", "pack", "--silent", "--pack-destination", folder]
    subprocess.run(packing, cwd=PACKAGE, check=True, capture_output=True, timeout=60)
    installed = folder / "node_modules" / "spot-client"
    installed.mkdir(parents=True)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    (folder / "package").rename(installed)
    (folder / "node_modules" / "ws").symlink_to(MODULES / "ws")
    return folder


def run(project: Path, script: str, *arguments: str) -> str:
    """The output of a module of the project."""
    path = project / "script.mjs"
    path.write_text(script)
    ran = subprocess.run([node(), path, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr
    return ran.stdout


def test_the_package_holds_the_client_its_types_and_nothing_else(project: Path) -> None:
    installed = project / "node_modules" / "spot-client"
    files = {str(file.relative_to(installed)) for file in installed.rglob("*") if file.is_file()}
    assert files == {
        "README.md", "package.json", "dist/client.js", "dist/client.d.ts", "dist/feeds.d.ts", "examples/watch.mjs",
        "examples/typed.ts", "examples/get.mjs", "examples/stream.mjs",
    }  # fmt: skip
    assert not json.loads((installed / "package.json").read_text()).get("dependencies")


def test_the_example_of_ten_lines_runs(project: Path, site: Site) -> None:
    out = run(project, (PACKAGE / "examples" / "watch.mjs").read_text(), site.url)
    first, *_, last = out.splitlines()
    assert "BTC" in first
    assert "ETH" in first
    assert "BTC" not in last


def test_pages_come_over_http_and_several_at_once(project: Path, site: Site) -> None:
    out = run(project, (PACKAGE / "examples" / "get.mjs").read_text(), site.url).splitlines()
    assert out[0].startswith("Acme")
    assert len(out) >= 3
    script = """
      import { Client, Refused } from "spot-client";
      const client = new Client({ server: process.argv[2] });
      const views = [{ page_size: 2 }, { page: 0 }].map((params) => ({ feed: "market", params }));
      const [page, wrong] = await client.batch(views);
      const again = await client.get("market", { page_size: 2 });
      const error = await client.get("ticker-tape", { coin_ids: "nobody" }).catch((thrown) => thrown);
      const csv = await client.csv("market");
      const seen = [page.rows.length, again.rows === page.rows, wrong.field, error instanceof Refused, error.status];
      console.log(JSON.stringify([...seen, csv.slice(0, 4)]));
    """
    assert json.loads(run(project, script, site.url)) == [2, True, "views[1].params.page", True, 404, "Row,"]


def test_feeds_of_a_stream_share_a_socket(project: Path, site: Site) -> None:
    assert len(run(project, (PACKAGE / "examples" / "stream.mjs").read_text(), site.url).splitlines()) >= 2
    script = """
      import { Client } from "spot-client";
      import WebSocket from "ws";
      const stream = new Client({ server: process.argv[2], WebSocket }).stream();
      const next = (feed, type = "frame") => new Promise((come) => feed.addEventListener(type, come, { once: true }));
      const views = { market: { page_size: 2 }, "top-gainers": { per_page: 3 } };
      const [market, gainers] = Object.entries(views).map(([path, params]) => stream.feed(path, params));
      const same = stream.feed("market", { page_size: 2, per_page: 250 });
      const feeds = [market, same, gainers];
      const first = Promise.all(feeds.map((feed) => next(feed)));
      for (const feed of feeds) feed.open();
      await first;
      const lengths = feeds.map((feed) => feed.rows().length);
      const changed = next(same);
      same.update({ search: "btc", page_size: 1 });
      await changed;
      const refused = next(market, "refusal");
      market.update({ page_size: 0 });
      const { detail } = await refused;
      const symbols = same.rows().map((row) => row.Symbol);
      console.log(JSON.stringify([lengths, symbols, market.rows().length, detail.field, market.params]));
      const wrong = stream.feed("ticker-tape", { coin_ids: "nobody" });
      wrong.open();
      await next(wrong, "refusal");
      console.log(wrong.condition().code, wrong.condition().name, gainers.condition().name);
      for (const feed of [...feeds, wrong]) feed.close();
    """
    views, refusal = run(project, script, site.url).splitlines()
    assert json.loads(views) == [[2, 2, 3], ["BTC"], 2, "page_size", {"page_size": 2}]
    assert refusal == "unknown_coin refused live"
    wait_until(lambda: not site.sockets, 5)


def test_a_key_goes_in_a_header_and_a_ticket_in_the_address(project: Path) -> None:
    script = """
      import { WebSocketServer } from "ws";
      import WebSocket from "ws";
      import { Feed } from "spot-client";
      const served = new WebSocketServer({ port: 0, host: "127.0.0.1" });
      await new Promise((listening) => served.on("listening", listening));
      const asked = [];
      const feeds = [];
      served.on("connection", (_socket, request) => {
        const ticket = new URL(request.url, "ws://x").searchParams.get("ticket");
        asked.push({ key: request.headers["x-api-key"] ?? null, ticket });
        if (asked.length < 3) return;
        console.log(JSON.stringify(asked));
        for (const feed of feeds) feed.close();
        served.close();
        process.exit();
      });
      const open = (options) => {
        const server = `http://127.0.0.1:${served.address().port}`;
        const feed = new Feed("market", {}, { server, WebSocket, ...options });
        feeds.push(feed);
        feed.open();
        return new Promise((opened) => feed.addEventListener("state", () => feed.link === "open" && opened()));
      };
      await open({});
      await open({ key: "secret" });
      await open({ ticket: async () => "t1" });
    """
    assert json.loads(run(project, script)) == [
        {"key": None, "ticket": None},
        {"key": "secret", "ticket": None},
        {"key": None, "ticket": "t1"},
    ]


def test_a_server_that_is_away_or_refuses_ends_no_program(project: Path) -> None:
    script = """
      import WebSocket from "ws";
      import { Feed } from "spot-client";
      const feed = new Feed("market", {}, { server: "http://127.0.0.1:9", WebSocket });
      feed.open();
      await new Promise((lost) => feed.addEventListener("state", () => feed.link === "waiting" && lost()));
      console.log(feed.condition().name);
      feed.close();
    """
    assert run(project, script) == "reconnecting\n"


def test_a_key_that_is_refused_is_said(project: Path, site: Site) -> None:
    script = """
      import WebSocket from "ws";
      import { Feed } from "spot-client";
      const feed = new Feed("market", {}, { server: process.argv[2], WebSocket, key: "wrong" });
      feed.addEventListener("refusal", ({ detail }) => console.log(detail.code));
      feed.open();
      await new Promise((refused) => feed.addEventListener("state", () => feed.link === "refused" && refused()));
      console.log(feed.condition().reason);
      feed.close();
    """
    code, reason = run(project, script, site.url).splitlines()
    assert code == "bad_key"
    assert reason.startswith("No key of this site")


def test_without_a_server_the_error_says_what_is_missing(project: Path) -> None:
    script = 'import { Feed } from "spot-client"; try { new Feed("market"); } catch (e) { console.log(e.message); }'
    assert run(project, script).startswith("server is missing")


def test_its_types_know_parameters_and_rows(project: Path) -> None:
    wrong = (
        'new Feed("market", { page_sise: 1 });',
        'new Feed("markets");',
        'new Feed("ticker-tape");',
        'new Feed("top-gainers").rows()[0].Symbol;',
        'new Feed("market").update({ sort_order: "up" });',
    )
    example = (PACKAGE / "examples" / "typed.ts").read_text()
    refused = "".join(f"// @ts-expect-error\n{line}\n" for line in wrong)
    (project / "typed.ts").write_text(example + refused)
    options = {"strict": True, "noEmit": True, "module": "nodenext", "target": "es2023", "types": []}
    (project / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["typed.ts"]}))
    command = [node(), MODULES / "typescript" / "bin" / "tsc"]
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 0, ran.stdout
