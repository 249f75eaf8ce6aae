from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.deploy import healthy, local_server
from sr_core.errors import InputError


class Answer(http.server.BaseHTTPRequestHandler):
    body = b"true"

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


class Other(Answer):
    body = b"<html>"


@pytest.fixture(params=[Answer, Other])
def answering(request: pytest.FixtureRequest) -> Iterator[tuple[bool, str]]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), request.param) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield request.param is Answer, f"http://127.0.0.1:{server.server_address[1]}/api"
        server.shutdown()


def test_a_running_server_is_used_and_another_program_on_the_port_is_named(answering: tuple[bool, str], tmp_path: Path) -> None:
    is_prefect, api = answering
    said: list[str] = []
    assert healthy(api) is is_prefect
    if is_prefect:
        with local_server(api, tmp_path, said.append):
            assert said == [f"Using the Prefect server at {api}"]
    else:
        with pytest.raises(InputError, match="taken by another program"), local_server(api, tmp_path, said.append):
            pass


def test_a_far_server_that_does_not_answer_is_the_users_to_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing answers"), local_server("http://sr.invalid:4200/api", tmp_path, lambda _: None):
        pass


def test_nothing_there_is_not_healthy() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert not healthy(f"http://127.0.0.1:{port}/api")
    assert not healthy("")
