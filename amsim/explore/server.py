"""The page on this machine: a server of the standard library, for one person."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import select
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from .recall import Explorer, Knobs

_PAGE = Path(__file__).with_name("page")
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/explore.js": ("explore.js", "text/javascript; charset=utf-8"),
    "/local.js": ("local.js", "text/javascript; charset=utf-8"),
    "/explore.css": ("explore.css", "text/css; charset=utf-8"),
}
_LARGEST = 200_000  # bytes of a question
_PATIENCE = 20.0  # seconds until a connection that sends nothing is closed
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Server(ThreadingHTTPServer):
    """Serves the page of an `Explorer` on 127.0.0.1, to who knows its token.

    Parameters
    ----------
    explorer : Explorer
    port : int, default 0
        0 for any that is free.

    Raises
    ------
    OSError
        If the port is taken.

    Examples
    --------
    >>> from amsim.explore import Explorer, Server
    >>> with Server(Explorer()) as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # of Windows it would let two servers share a port

    def __init__(self, explorer: Explorer, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.explorer, self.token = explorer, secrets.token_urlsafe(16)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}
        self.ready, self.one_at_a_time = threading.Event(), threading.Lock()
        self.broken: str | None = None

    @property
    def url(self) -> str:
        """The address with the token; it stays in the browser, as fragments do."""
        return f"http://127.0.0.1:{self.server_port}/#token={self.token}"

    def warm_up(self) -> None:
        """Compile what recalls need, in a thread; until then the page says that it waits."""
        threading.Thread(target=self._warm_up, daemon=True).start()

    def _warm_up(self) -> None:
        explorer = self.explorer
        try:
            for scope in ("broadcast", "link"):
                knobs = Knobs(explorer.beta, delay=0.1, jitter=0.1, drop=0.1, scope=scope)
                cue = explorer.stored[0]
                end = explorer.recall(cue, knobs)["final"]
                explorer.certify(cue, knobs, end)
        except Exception as error:  # a thread has nobody to tell: the page does
            self.broken = f"{type(error).__name__}: {error}"
        self.ready.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no error."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    # Header and body in one packet, at once: else each answer waits 40 ms.
    disable_nagle_algorithm = True
    wbufsize = -1
    server_version, sys_version = "amsim", ""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"
    _ASKED: ClassVar = {"/memories": "_memories", "/recall": "_recall"}

    def do_GET(self) -> None:  # the name that http.server calls
        """Send a file of the page."""
        if not self._is_for_us():
            return
        path = self.path.partition("?")[0]
        if path not in _FILES:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
            return
        name, kind = _FILES[path]
        self._send(HTTPStatus.OK, (_PAGE / name).read_bytes(), kind)

    def do_POST(self) -> None:  # likewise
        """Answer a question of the page."""
        if not self._is_for_us():
            return
        given = self.headers.get("X-Amsim-Token", "")
        if not hmac.compare_digest(given.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.FORBIDDEN, "the token is not that of this run of amsim explore")
        elif self.path not in self._ASKED:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such question")
        elif (body := self._body()) is not None:
            try:
                answer = getattr(self, self._ASKED[self.path])(body)
            except (ValueError, TypeError, RecursionError) as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            else:
                self._answer(HTTPStatus.OK, answer)

    def _memories(self, _: bytes) -> dict[str, Any]:
        return self.server.explorer.describe()

    def _recall(self, body: bytes) -> dict[str, Any]:
        asked = json.loads(body, parse_constant=_no_constant)
        if not self.server.ready.is_set():
            return {"warming": True}
        if self.server.broken:
            raise ValueError(self.server.broken)
        with self.server.one_at_a_time:
            if self._is_gone():
                raise ConnectionAbortedError
            return self.server.explorer.answer(asked)

    def _is_for_us(self) -> bool:
        """Whether page and browser are on this machine: other sites may send requests here."""
        origin = self.headers.get("Origin")
        mine = self.headers.get("Host") in self.server.hosts
        if mine and (origin is None or origin.removeprefix("http://") in self.server.hosts):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "only pages of this server may ask it")
        return False

    def _is_gone(self) -> bool:
        """Whether the browser closed the connection, as it does for a page that was left."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def _body(self) -> bytes | None:
        """What was sent, if its size is known and small."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "say how long the question is")
        elif len(length) > 9 or int(length) > _LARGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the question is too long")
        else:
            return self.rfile.read(int(length))
        return None

    def _answer(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
        text = json.dumps(answer, separators=(",", ":"))
        self._send(status, text.encode(), "application/json")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        """Say why not; what else the connection holds is not read."""
        self.close_connection = True
        self._answer(status, {"error": why})

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody wants a line for each move of a slider."""


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that a knob or a pixel can have")
