"""A demo site for programs that nobody here wrote, with keys of clients, and its hosts in the place of the vendors'."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.live import LiveSite
from tests.operating import Operator
from tests.programs.environments import NotHere
from tests.programs.interception import Front, Inside


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever is here runs real processes, and may install a program first."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flow)
            item.add_marker(pytest.mark.timeout(900))


def _or_skipped() -> Generator[None, object, object]:
    """A program that cannot be had here is named among the skipped tests, with the reason."""
    try:
        return (yield)
    except NotHere as why:
        pytest.skip(str(why))


pytest_runtest_setup = pytest.hookimpl(wrapper=True)(_or_skipped)
pytest_runtest_call = pytest.hookimpl(wrapper=True)(_or_skipped)


class Programs:
    """The site as programs see it."""

    def __init__(self, site: LiveSite) -> None:
        self.site = site
        self._operator = Operator(site)
        self.root = f"{site.url}/compat/coingecko/api/v3"
        self.coinmarketcap = f"{site.url}/compat/coinmarketcap"
        self.key = self.new_key("programs")

    def new_key(self, name: str, **limits: str) -> str:
        """A key of a new plan; `limits` as the fields of the plan's page."""
        return self._operator.new_key(name, **limits)[0]


@pytest.fixture(scope="session")
def programs(live_site: LiveSite) -> Programs:
    """The demo site of all programs."""
    return Programs(live_site)


@pytest.fixture(scope="session")
def _folder() -> Iterator[Path]:
    # Below /tmp by a short name: the path of a unix socket has room for 104 characters.
    folder = Path(tempfile.mkdtemp(prefix="spot-front-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def front(programs: Programs, _folder: Path) -> Iterator[Front]:
    """The vendors' hosts, which lead to the site."""
    with Front(_folder, programs.site.port) as front:
        yield front


@pytest.fixture(scope="session")
def inside(front: Front, _folder: Path) -> Inside:
    """Where programs with fixed hosts run."""
    return Inside(_folder)


@pytest.fixture(scope="session")
def settled(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with the settings of CoinGecko's command."""
    home = tmp_path_factory.mktemp("home")
    folder = home / ".config" / "coingecko-cli"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"api_key: {programs.key}\ntier: paid\n")
    return home
