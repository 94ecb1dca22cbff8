"""A small web server on 127.0.0.1 for the tests of downloads, and how it misbehaves."""

import contextlib
import hashlib
import http.server
import json
import re
import ssl
import threading
import time

import pytest
from huggingface_hub import constants, set_client_factory
from huggingface_hub.utils import _http

from kerasformer.sources import child, folders, kaggle
from kerasformer.sources.cache import Cache

sleep = time.sleep  # the server's own, whatever a test makes of the module's


class Web:
    """What the server has, and what it was asked.

    `content` maps a path to bytes, and `headers` to what is told beside them. `faults` maps a path
    to one of the faults below (`web.cut(3)`) for every request, or to a list, one for each. The
    paths of other methods than GET begin with the method's name. A HEAD without a fault of its own
    is answered as the GET would be. `asked` lists the requests' paths, `seen` their headers,
    `bodies` what they brought, `sent` the bytes of the answers.
    """

    def __init__(self):
        self.content, self.headers, self.faults = {}, {}, {}
        self.asked, self.seen, self.sent, self.bodies = [], [], [], []
        self.url = ""

    def serve(self, request, method=""):
        if request.path == "/api/agent-harnesses":  # huggingface_hub's own question, once a day
            return request.send_error(404)
        self.asked.append(method + request.path)
        self.seen.append({name.title(): value for name, value in request.headers.items()})
        self.sent.append(0)
        self.bodies.append(request.rfile.read(int(request.headers.get("Content-Length", 0))))
        path = request.path.partition("?")[0]
        fault = self.faults.get(method + path)
        if isinstance(fault, list):
            fault = fault.pop(0) if fault else None
        if fault is not None:
            fault(self, request, self.content.get(path))
        elif path in self.content:
            self.send(request, self.content[path])
        else:
            request.send_error(404)
        return None

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
        if request.command != "HEAD":
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
        return lambda web, request, content: sleep(seconds)

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
                sleep(0.02)

        return fault

    @staticmethod
    def endless(head=b"HTTP/1.0 200 OK\r\n\r\n", piece=b"x" * 65536, most=400):
        """The same again and again; it ends, late, for the sake of a test that would fail."""

        def fault(web, request, content):
            request.wfile.write(head)
            for _ in range(most):
                request.wfile.write(piece)

        return fault


@contextlib.contextmanager
def serving():
    web = Web()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer("")

        def do_HEAD(self):
            self.answer("HEAD ")

        def do_POST(self):
            self.answer("POST ")

        def answer(self, method):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has had enough
                web.serve(self, method)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    web.url = f"http://127.0.0.1:{server.server_port}"
    yield web
    server.shutdown()
    server.server_close()


@pytest.fixture
def other_host():
    with serving() as web:
        yield web


@pytest.fixture
def web(monkeypatch, tmp_path):
    """A server that stands for the hubs, and a person without caches and credentials."""
    own_factory = _http._GLOBAL_CLIENT_FACTORY
    for name in (
        *("HF_TOKEN", "HF_HUB_OFFLINE", "KERASFORMER_OFFLINE", "TFHUB_CACHE_DIR"),
        *("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "no-kaggle"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as web:
        monkeypatch.setenv("HF_ENDPOINT", web.url)
        monkeypatch.setattr(kaggle, "_TFHUB", web.url)
        yield web
    set_client_factory(own_factory)


@pytest.fixture
def in_process(monkeypatch):
    """Downloads in this process instead of a child: sooner, where it is not about the child."""

    def call(function, arguments, progress):
        return json.loads(json.dumps(child.perform(function, arguments)))

    monkeypatch.setattr(folders, "call", call)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # the libraries' pauses
    # Reading a hundred certificates for each client takes longer than the test.
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")
