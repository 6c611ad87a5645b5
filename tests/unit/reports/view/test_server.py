"""The server answers this machine alone, one clip at a time, and reads the place again when the page is reloaded."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from m3n.errors import InputError
from m3n.reports.view.clip import Clip, Entry
from m3n.reports.view.server import serve


class Place:
    notice, moves = "", False

    def __init__(self, *names: str) -> None:
        self.title = "a place"
        self.entries = [Entry(name, None, "", None, "", 0.0, 1.0) for name in names]

    def clip(self, number: int) -> Clip:
        if self.entries[number].name == "damaged":
            raise InputError("part-0 row 1: poses hold NaN")
        return Clip(float(number + 1))


Answer = tuple[int, str]


@contextmanager
def asked(reopen: Callable[[], Place]) -> Iterator[Callable[..., Answer]]:
    """ask(path, host) -> status and text, of a running server."""
    with serve(reopen(), reopen, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def ask(path: str, host: str = f"127.0.0.1:{server.server_port}") -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

        yield ask
        server.shutdown()
        thread.join()


def test_the_page_and_one_clip_at_a_time_are_served() -> None:
    with asked(lambda: Place("one", "damaged")) as ask:
        status, text = ask("/")
        assert status == 200
        assert '"one"' in text
        status, text = ask("/clip/0")
        assert (status, json.loads(text)["seconds"]) == (200, 1.0)
        assert ask("/clip/1") == (422, "part-0 row 1: poses hold NaN")
        for path in ("/clip/2", "/clip/-1", "/clip/x", "/../../etc/passwd", "/page.js"):
            assert ask(path)[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "localhost.evil.example"])
def test_another_name_for_this_machine_is_refused(host: str) -> None:
    with asked(lambda: Place("one")) as ask:
        assert ask("/clip/0", host)[0] == 403
        assert ask("/clip/0", "localhost:9000")[0] == 200  # through a tunnel


def test_reloading_the_page_reads_the_place_again() -> None:
    names = ["before"]

    def reopen() -> Place:
        if names == ["broken"]:
            raise InputError("moves.yaml line 3: unknown hand target")
        return Place(*names)

    with asked(reopen) as ask:
        assert '"before"' in ask("/")[1]
        names[0] = "after"
        assert '"after"' in ask("/")[1]
        names[0] = "broken"
        assert "moves.yaml line 3: unknown hand target" in ask("/")[1]


def test_a_port_in_use_is_named_with_a_way_out() -> None:
    with serve(Place("one"), lambda: Place("one"), 0) as server, pytest.raises(InputError, match=r"is in use.*port=0"):
        serve(Place("one"), lambda: Place("one"), server.server_port)
    assert server.server_address[0] == "127.0.0.1"
