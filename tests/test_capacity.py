"""The capacity page shows what `python -m bench.capacity` prints, and the formulas agree with each other."""

from __future__ import annotations

import pytest

from bench import capacity
from bench.capacity import LOADS, Load, Machine

KNOWN = capacity.read()
each_load = pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)


def test_the_page_shows_what_the_script_prints() -> None:
    page = capacity.PAGE.read_text()
    shown = page[page.index(capacity.BEGIN) + len(capacity.BEGIN) : page.index(capacity.END)]
    assert shown.strip() == capacity.whole(Machine(), KNOWN).strip(), "run python -m bench.capacity --write"


@each_load
def test_a_process_is_not_planned_above_its_share(load: Load) -> None:
    clients, reason = capacity.clients_of_process(load, Machine(), KNOWN)
    used = load.versions_s * (load.version_us(KNOWN) + clients * load.client_us(KNOWN))
    used += clients * KNOWN["connect_us"] / capacity.SESSION_S + KNOWN["idle_web_us_s"]
    assert used <= capacity.SHARE * 1e6
    assert reason in {"CPU", "time of a fan-out", "memory", "network"}


@each_load
def test_the_simulated_site_uses_the_cores_that_the_formula_says(load: Load) -> None:
    seen = capacity.simulate(load, 100_000, Machine(), KNOWN)
    each = 100_000 / seen.processes
    busy = load.versions_s * (load.version_us(KNOWN) + each * load.client_us(KNOWN)) / 1e6
    busy += each / capacity.SESSION_S * KNOWN["connect_us"] / 1e6
    assert seen.busy == pytest.approx(busy, rel=0.15)
    assert seen.skipped == 0


def test_a_process_that_cannot_keep_up_skips_versions_and_never_falls_behind() -> None:
    load = Load("too much", 10.0, "16k", own=True)
    arrivals = [turn / 10 for turn in range(50)]
    seen = capacity._process(load, 100_000, arrivals, [], KNOWN)
    assert seen.skipped > 40
    fanout = (load.version_us(KNOWN) + 100_000 * load.client_us(KNOWN)) / 1e6
    assert all(end - arrivals[version] <= 2 * fanout for version, end in seen.ends)


def test_memory_bounds_a_small_machine_and_less_for_a_connection_helps() -> None:
    small, load = Machine(memory_gb=2.0), LOADS[0]
    clients, reason = capacity.clients_of_process(load, small, KNOWN)
    slimmer = KNOWN | {"connection_kb": KNOWN["connection_kb"] / 2}
    assert reason == "memory"
    assert capacity.clients_of_process(load, small, slimmer)[0] > 1.4 * clients
