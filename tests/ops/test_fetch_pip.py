"""Fetching pip from a package index that a test serves."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from spot.fetch_pip import fetch


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """The address of a package index whose files lie in tmp_path/index."""
    (tmp_path / "index" / "simple" / "pip").mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "index"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/simple"
    server.shutdown()
    server.server_close()
    thread.join()


def publish(folder: Path, *versions: str, broken: str = "") -> None:
    links = []
    for version in versions:
        name = f"pip-{version}-py3-none-any.whl"
        (folder / name).write_text(f"the wheel {version}")
        digest = hashlib.sha256(f"{broken or 'the wheel'} {version}".encode()).hexdigest()
        links.append(f'<a href="../../{name}#sha256={digest}" data-requires-python="&gt;=3.10">{name}</a>')
    (folder / "simple" / "pip" / "index.html").write_text("<br/>".join(links))


def test_the_newest_version_is_taken_by_number_not_by_letter(index: str, tmp_path: Path) -> None:
    publish(tmp_path / "index", "9.0.3", "26.3", "26.10.1", "26.2")
    assert fetch(index + "/", tmp_path).read_text() == "the wheel 26.10.1"


def test_a_wheel_that_is_not_what_the_index_says_is_refused(index: str, tmp_path: Path) -> None:
    publish(tmp_path / "index", "26.3", broken="another")
    with pytest.raises(ValueError, match="not what the index says"):
        fetch(index, tmp_path)
    assert not list(tmp_path.glob("*.whl"))


def test_an_index_without_wheels_is_named(index: str, tmp_path: Path) -> None:
    publish(tmp_path / "index")
    with pytest.raises(ValueError, match="no wheel of pip at http"):
        fetch(index, tmp_path)
