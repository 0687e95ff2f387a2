"""The command `spot`, out of the wheel: what it prints, where, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Site
from tests.clients.scripted import head

Spot = Callable[..., tuple[int, str, str]]


@pytest.fixture
def spot(spot_client: Any, site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Spot:
    """Runs the command in this process: exit code, standard output, standard error."""
    from spot_client.command.main import main

    monkeypatch.setenv("SPOT_URL", site.url)

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(str(end.code))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def started(environment: Path, site: Site) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command that pip has installed."""

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        surroundings = {**os.environ, "SPOT_URL": site.url, "COLUMNS": "120", "LINES": "24"}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([environment / "bin" / "spot", *arguments], text=True, env=surroundings, **pipes)

    return start


def test_get_prints_a_line_of_json_for_each_row_in_a_pipe(spot: Spot) -> None:
    code, out, err = spot("get", "market", "--page-size", "2", "--sort-by", "Market Cap", "--fields", "symbol,PRICE")
    assert (code, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"Symbol": "BTC", "Price": 100000.0},
        {"Symbol": "ETH", "Price": 50000.0},
    ]


def test_get_prints_a_table_and_what_is_to_be_said_of_it(spot: Spot, site: Site) -> None:
    code, out, _ = spot("get", "market", "--page-size", "1", "--output", "table")
    heading, row, caption = out.splitlines()
    assert code == 0
    assert heading.split()[:4] == ["Row", "Symbol", "Name", "Price"]
    assert row.split()[:4] == ["1", "BTC", "Bitcoin", "100,000"]
    assert re.fullmatch(r"market: 1 of 30, page 1 of 30, Acme, \d+ s old", caption)
    assert "\x1b" not in out


def test_csv_has_a_heading_and_no_formulas(spot: Spot) -> None:
    code, out, _ = spot("get", "listings", "--page-size", "2", "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert len(rows) == 2
    assert rows[0]["tickers"].count(",") == 1
    from spot_client.command.output import _csv

    assert _csv("=1+1") == "'=1+1"
    assert _csv(-1.5) == -1.5


def test_watch_prints_a_line_for_each_page_and_ends_after_so_many(spot: Spot) -> None:
    code, out, err = spot("watch", "market", "--search", "btc", "--page-size", "1", "-n", "1")
    page = json.loads(out)
    assert code == 0
    assert {"as_of", "age_ms", "stale", "simulated", "source", "total", "rows"} <= page.keys()
    assert page["rows"][0]["Symbol"] == "BTC"
    assert err == ""


def test_tail_begins_with_the_newest(spot: Spot) -> None:
    _, newest, _ = spot("get", "listings", "--page-size", "2")
    code, out, _ = spot("tail", "listings", "--last", "2", "-n", "2")
    assert code == 0
    assert out.splitlines() == newest.splitlines()[::-1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ["get", "market", "--page-size", "0"],
            1,
            "page_size must be a whole number from 1 to 500, not 0. [--page-size]",
        ),
        (["watch", "market", "--sort-by", "nope"], 1, "[--sort-by]"),
        (["get", "ticker-tape", "--coin-ids", "btc"], 1, "which is the symbol of"),
        (["get", "ticker-tape"], 2, "--coin-ids"),
        (["get", "market", "--filters", "[1]"], 2, "must be a JSON object"),
        (["get", "market", "--fields", "nope"], 2, "there is no field 'nope'. Fields: id, Row"),
        (["get", "market", "--pagesize", "1"], 2, "--pagesize"),
        (["get", "markets"], 2, "market"),
        (["tail", "market"], 2, "listings"),
        (["tail", "listings", "--page", "2"], 2, "--page"),
        (["get", "market", "--url", "ftp://x"], 2, "url must be the address of a server"),
        (
            ["get", "market", "--url", "http://127.0.0.1:9", "--patience", "0"],
            1,
            "http://127.0.0.1:9 cannot be reached",
        ),
    ],
)
def test_an_error_names_what_is_wrong(spot: Spot, arguments: list[str], code: int, words: str) -> None:
    status, out, err = spot(*arguments)
    assert (status, out) == (code, "")
    assert words in err
    assert "Traceback" not in err


def test_every_feed_has_help_with_its_parameters(spot: Spot) -> None:
    code, out, _ = spot("watch", "top-gainers", "--help")
    assert code == 0
    assert all(option in out for option in ("--min-volume", "--sort-by", "--output", "--url", "--key"))


def test_it_ends_quietly_when_nobody_reads_and_after_ctrl_c(
    started: Callable[..., subprocess.Popen[str]], site: Site
) -> None:
    with started("watch", "market", "--page-size", "1") as piped:
        assert piped.stdout is not None
        assert json.loads(piped.stdout.readline())["feed"] == "market"
        piped.stdout.close()
        site.put_market(2.0)
        assert piped.wait(10) == 141
        assert piped.stderr is not None
        assert "Traceback" not in piped.stderr.read()
    with started("watch", "market", "--page-size", "1") as interrupted:
        assert interrupted.stdout is not None
        interrupted.stdout.readline()
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.wait(10) == 130
        assert interrupted.stderr is not None
        assert "Traceback" not in interrupted.stderr.read()


def test_a_terminal_shows_one_live_table(started: Callable[..., subprocess.Popen[str]]) -> None:
    terminal, inside = pty.openpty()
    with started("watch", "market", "--search", "btc", "-n", "1", stdout=inside) as live:
        os.close(inside)
        assert live.wait(10) == 0
    shown = os.read(terminal, 65_536).decode()
    os.close(terminal)
    assert "Bitcoin" in shown
    assert "\x1b[" in shown


def test_titles_cannot_steer_the_terminal(spot_client: Any) -> None:
    from spot_client.command.cells import printable

    assert "\x1b" not in printable("\x1b]0;owned\x07")
    assert printable("Binance Will List Alpha (AAAX): 上場") == "Binance Will List Alpha (AAAX): 上場"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (0.00000512345, "0.000005123"),
        (0.9996, "0.9996"),
        (2634.14, "2,634"),
        (1.7e12, "1.70T"),
        (-5, "-5.00"),
    ],
)
def test_numbers_are_short(spot_client: Any, value: float, text: str) -> None:
    from spot_client.command.cells import number

    assert number(value) == text


def test_what_must_not_be_overlooked_is_said(spot_client: Any, spot: Spot, capsys: pytest.CaptureFixture[str]) -> None:
    from spot_client.command.main import _remark
    from spot_client.command.output import JsonLines, caption

    page = spot_client.Page([], head("snapshot", 1, stale=True, simulated=True))
    JsonLines([]).again(page, "Acme cannot be reached.")
    _remark(page, "jsonl")
    out, err = capsys.readouterr()
    assert {"stale": True, "simulated": True, "trouble": "Acme cannot be reached."}.items() <= json.loads(out).items()
    assert "these data are simulated" in err
    assert "these data are stale" in err
    assert caption(page, "Acme cannot be reached.").plain.endswith("SIMULATED  STALE  Acme cannot be reached.")
    _, _, missing = spot("get", "ticker-tape", "--coin-ids", "bitcoin,nope")
    assert "no coin has the id 'nope'" in missing
