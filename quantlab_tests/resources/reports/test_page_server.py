"""The pages of experiments in a browser: the folder of reports and nothing beside it, to this machine alone."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quantlab_resources.reports.page_address import page_address
from quantlab_resources.reports.page_server import PageServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PageServer]:
    (tmp_path / "secret.html").write_text("not a report")
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "first__1a2b.html").write_text("<h1>first</h1>")
    (folder / "notes.txt").write_text("not a page")
    (folder / "sub").mkdir()
    (folder / "sub" / "deep.html").write_text("too deep")
    with PageServer(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(server: PageServer, path: str, host: str | None = None) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)) as connection:
        connection.request("GET", path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_a_page_and_the_list_of_pages_are_served(server: PageServer) -> None:
    assert asked(server, "/first__1a2b.html") == (200, "<h1>first</h1>")
    status, listed = asked(server, "/")
    assert status == 200
    assert 'href="first__1a2b.html"' in listed


@pytest.mark.parametrize(
    "path", ["/../secret.html", "/..%2fsecret.html", "/notes.txt", "/sub/deep.html", "/gone.html", "/sub/"]
)
def test_what_is_no_page_of_an_experiment_is_not_served(path: str, server: PageServer) -> None:
    assert asked(server, path)[0] == 404


def test_a_web_page_that_has_its_name_point_here_reads_nothing(server: PageServer) -> None:
    assert asked(server, "/first__1a2b.html", host="evil.example")[0] == 403
    assert asked(server, "/first__1a2b.html", host=f"localhost:{server.server_port}")[0] == 200


def test_the_address_of_a_page_can_be_moved_by_the_environment() -> None:
    assert page_address("first", environment={}) == "http://127.0.0.1:3001/first.html"
    moved = {"QUANTLAB_REPORTS_URL": "https://lab.example/pages/"}
    assert page_address("first", environment=moved) == "https://lab.example/pages/first.html"
