"""A small web server on 127.0.0.1 for the tests of downloads, and how it misbehaves."""

import contextlib
import hashlib
import http.server
import re
import threading
import time

import pytest

from kerasformer.sources import download, paced, request
from kerasformer.sources.cache import Cache


class Web:
    """What the server has, and what it was asked.

    `content` maps a path to bytes, and `headers` to what is told beside them. `faults` maps a path
    to one of the faults below (`web.cut(3)`) for every request, or to a list, one for each.
    `asked` lists the requests' paths, `seen` their headers, `sent` the bytes of the bodies.
    """

    def __init__(self):
        self.content, self.headers, self.faults = {}, {}, {}
        self.asked, self.seen, self.sent = [], [], []
        self.url = ""

    def serve(self, request):
        self.asked.append(request.path)
        self.seen.append(dict(request.headers))
        self.sent.append(0)
        path = request.path.partition("?")[0]
        fault = self.faults.get(path)
        if isinstance(fault, list):
            fault = fault.pop(0) if fault else None
        if fault is not None:
            fault(self, request, self.content.get(path))
        elif path in self.content:
            self.send(request, self.content[path])
        else:
            request.send_error(404)

    def send(self, request, content, upto=None, ranges=True, length=None, etag=None):
        """Sends the content, or the part that is asked for and is of this version."""
        etag = etag or f'"{hashlib.md5(content).hexdigest()}"'
        start, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if ranges and asked and request.headers.get("If-Range", etag) == etag:
            start, status = int(asked[1]), 206
            if start >= len(content):
                request.send_error(416)
                return
        told = {"ETag": etag, **self.headers.get(request.path.partition("?")[0], {})}
        if status == 206:
            told["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if length != "none":
            told["Content-Length"] = str(len(content) - start if length is None else length)
        body = content[start:upto]
        self.sent[-1] = len(body)
        self.reply(request, status, told, body)

    def reply(self, request, status, headers, body=b""):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    # The faults.

    @staticmethod
    def cut(upto, **options):
        """The connection breaks after so many bytes of the whole content."""
        return lambda web, request, content: web.send(request, content, upto, **options)

    @staticmethod
    def changed(**options):
        """As it should be, but for the options of `Web.send`."""
        return lambda web, request, content: web.send(request, content, **options)

    @staticmethod
    def status(code, **headers):
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return lambda web, request, content: web.reply(
            request, code, {"Content-Length": "0", **told}
        )

    @staticmethod
    def redirect(url, **headers):
        return Web.status(302, Location=url, **headers)

    @staticmethod
    def silence(seconds):
        return lambda web, request, content: time.sleep(seconds)

    @staticmethod
    def drip(seconds, where="body"):
        """A byte now and then, for so long."""

        def fault(web, request, content):
            request.wfile.write(b"HTTP/1.0 200 OK\r\n")
            if where == "body":
                request.wfile.write(b"Content-Length: 1000000\r\n\r\n")
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                request.wfile.write(b"x")
                time.sleep(0.02)

        return fault

    @staticmethod
    def endless(head=b"HTTP/1.0 200 OK\r\n\r\n", piece=b"x" * 65536, most=400):
        """The same again and again; it ends, late, for the sake of a test that would fail."""

        def fault(web, request, content):
            request.wfile.write(head)
            for _ in range(most):
                request.wfile.write(piece)

        return fault


@pytest.fixture
def web(monkeypatch, tmp_path):
    web = Web()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has had enough
                web.serve(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    web.handler = Handler
    web.url = f"http://127.0.0.1:{server.server_port}"
    for name in ("HF_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KERASFORMER_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "no-kaggle"))
    for name in ("HF_ENDPOINT", "TFHUB_ENDPOINT", "KAGGLE_API_ENDPOINT"):
        monkeypatch.setenv(name, web.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(request, "TIMEOUT", 0.2)
    monkeypatch.setattr(paced, "WINDOW", 0.15)
    monkeypatch.setattr(download, "BACKOFF", 0.001)
    yield web
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")
