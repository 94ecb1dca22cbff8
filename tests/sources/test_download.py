"""The download of one file, against a server of every kind of bad manners."""

import base64
import contextlib
import hashlib
import http.server
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from kerasformer.errors import UserError
from kerasformer.sources import download as download_module
from kerasformer.sources import request
from kerasformer.sources.download import download, download_json
from kerasformer.sources.places import (
    FetchError,
    NotThereError,
    TemporaryError,
    UnreachableError,
)
from kerasformer.sources.progress import FetchProgress
from kerasformer.sources.request import Address, endpoint

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def get(web, tmp_path):
    """Downloads `/file` into the folder `get.folder`, and gives the bytes."""
    web.content["/file"] = CONTENT

    def get(**known):
        address = Address("the file", f"{web.url}/file", known.pop("authorization", None))
        path, file = download(address, get.folder, FetchProgress("a test"), **known)
        data = path.read_bytes()
        assert file.sha256 == hashlib.sha256(data).hexdigest()
        assert file.size == len(data)
        path.unlink()
        return data

    get.folder = tmp_path / "incoming"
    get.folder.mkdir()
    return get


def left(folder):
    return sorted(path.suffix for path in folder.iterdir())


def test_a_file_comes_whole_and_nothing_else_stays(get, web):
    assert get() == CONTENT
    assert get(size=len(CONTENT), sha256=SHA256) == CONTENT
    assert left(get.folder) == []
    assert "Range" not in web.seen[0]
    web.content["/file"] = b""
    assert get(size=0) == b""


@pytest.mark.parametrize("upto", [1, 5000, len(CONTENT) - 1])
def test_what_is_cut_off_goes_on_in_the_same_run(get, web, upto):
    web.faults["/file"] = [web.cut(upto)]
    assert get() == CONTENT
    assert web.seen[1]["Range"] == f"bytes={upto}-"
    assert web.seen[1]["If-Range"].startswith('"')
    assert web.sent == [upto, len(CONTENT) - upto]


def test_what_is_cut_off_goes_on_in_the_next_run(get, web):
    web.faults["/file"] = [web.cut(5000), *[web.status(503)] * 9]
    with pytest.raises(TemporaryError, match="the file was HTTP 503"):
        get()
    assert left(get.folder) == [".json", ".partial"]
    web.faults.clear()
    asked = len(web.asked)
    assert get(sha256=SHA256) == CONTENT
    assert web.seen[asked]["Range"] == "bytes=5000-"
    assert web.sent[asked:] == [len(CONTENT) - 5000]
    assert left(get.folder) == []


def test_a_partial_file_without_its_note_or_the_note_alone_is_begun_anew(get, web):
    for suffix in (".partial", ".json"):
        web.faults["/file"] = [web.cut(5000), *[web.status(503)] * 9]
        with pytest.raises(TemporaryError):
            get()
        next(path for path in get.folder.iterdir() if path.suffix == suffix).unlink()
        web.faults.clear()
        web.seen.clear()
        assert get() == CONTENT
        assert "Range" not in web.seen[0]


@pytest.mark.parametrize("note", ["", "{}", "[]", '"etag"'])
def test_a_damaged_note_means_to_begin_anew(get, web, note):
    web.faults["/file"] = [web.cut(5000), *[web.status(503)] * 9]
    with pytest.raises(TemporaryError):
        get()
    next(get.folder.glob("*.json")).write_text(note)
    web.faults.clear()
    assert get() == CONTENT
    assert web.sent[-1] == len(CONTENT)


def test_a_server_without_ranges_sends_it_all_again(get, web):
    web.faults["/file"] = [web.cut(5000), web.changed(ranges=False)]
    assert get() == CONTENT
    assert web.sent == [5000, len(CONTENT)]


def test_a_file_that_has_changed_meanwhile_is_fetched_anew(get, web):
    web.faults["/file"] = [web.cut(5000, etag='"old"')]
    other = CONTENT[::-1]
    web.content["/file"] = other
    assert get() == other
    assert web.seen[1]["If-Range"] == '"old"'


def test_a_server_that_ignores_if_range_cannot_join_two_versions(get, web):
    web.content["/file"] = CONTENT[::-1]

    def reckless(web, request, content):
        request.headers.replace_header("If-Range", '"new"')
        web.send(request, CONTENT, etag='"new"')

    web.faults["/file"] = [web.cut(5000, etag='"old"'), reckless, web.changed(etag='"new"')]
    assert get() == CONTENT[::-1]
    assert "Range" not in web.seen[2]


def test_a_continuation_with_another_hash_is_fetched_whole_once(get, web):
    web.faults["/file"] = [web.cut(5000), *[web.status(503)] * 9]
    with pytest.raises(TemporaryError):
        get()
    partial = next(get.folder.glob("*.partial"))
    partial.write_bytes(b"!" + partial.read_bytes()[1:])  # a failing disk
    web.faults.clear()
    assert get(sha256=SHA256) == CONTENT
    assert web.sent[-2:] == [len(CONTENT) - 5000, len(CONTENT)]


def test_a_partial_file_beyond_the_end_is_thrown_away(get, web):
    web.faults["/file"] = [web.cut(5000, etag='"same"'), web.changed(etag='"same"')]
    web.content["/file"] = CONTENT[:4000]
    web.faults["/file"][0] = lambda web, request, _: web.send(request, CONTENT, 5000, etag='"same"')
    assert get() == CONTENT[:4000]


@pytest.mark.parametrize("start", ["bytes 4999-10239/10240", "bytes 5000-", "", "bytes x-y/z"])
def test_a_continuation_at_another_place_is_not_joined(get, web, start):
    def wrong(web, request, content):
        etag = request.headers["If-Range"]
        told = {"ETag": etag, "Content-Range": start, "Content-Length": "3"}
        web.reply(request, 206, told, b"xyz")

    web.faults["/file"] = [web.cut(5000), wrong]
    assert get() == CONTENT


@pytest.mark.parametrize("etag", ['W/"weak"', "none"])
def test_without_a_strong_etag_nothing_is_kept_or_continued(get, web, etag):
    headers = {} if etag == "none" else {"ETag": etag}

    def plain(upto):
        def fault(web, request, content):
            web.reply(request, 200, headers | {"Content-Length": len(content)}, content[:upto])

        return fault

    web.faults["/file"] = [plain(10)] * 4
    with pytest.raises(TemporaryError, match="ended after 10 of 10,240 bytes"):
        get()
    assert left(get.folder) == []
    web.faults["/file"] = [plain(10), plain(None)]
    assert get() == CONTENT
    assert not any("Range" in seen for seen in web.seen)


def test_a_busy_server_is_asked_again_after_a_growing_pause(get, web, monkeypatch):
    slept = []
    monkeypatch.setattr(download_module, "BACKOFF", 0.5)
    monkeypatch.setattr(time, "sleep", slept.append)
    web.faults["/file"] = [web.status(503), web.status(502)]
    assert get() == CONTENT
    assert 0.25 <= slept[0] <= 0.75
    assert 0.5 <= slept[1] <= 1.5
    web.faults["/file"] = web.status(500)
    with pytest.raises(TemporaryError, match="HTTP 500"):
        get()
    assert len(web.asked) == 3 + download_module.ATTEMPTS


def test_retry_after_is_honoured_within_reason(get, web, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    web.faults["/file"] = [web.status(429, Retry_After="7")]
    assert get() == CONTENT
    assert slept == [7]
    web.faults["/file"] = [web.status(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")]
    assert get() == CONTENT
    assert slept == [7, 0]
    web.faults["/file"] = [web.status(503, Retry_After="soon")]
    assert get() == CONTENT
    web.faults["/file"] = web.status(429, Retry_After="86400")
    asked = len(web.asked)
    with pytest.raises(TemporaryError, match="HTTP 429"):
        get()
    assert len(web.asked) == asked + 1


def test_progress_earns_new_attempts(get, web, monkeypatch):
    monkeypatch.setattr(download_module, "_PROGRESS", 100)
    web.faults["/file"] = [web.cut(upto) for upto in range(1000, 10_000, 1000)]
    assert get() == CONTENT
    assert len(web.asked) == 10
    web.faults["/file"] = [web.cut(upto) for upto in range(10, 100, 10)]  # a crumb each time
    with pytest.raises(TemporaryError, match="ended after"):
        get()
    assert len(web.asked) == 10 + download_module.ATTEMPTS


@pytest.mark.parametrize("code", [400, 405, 451])
def test_other_refusals_are_final(get, web, code):
    web.faults["/file"] = web.status(code)
    with pytest.raises(FetchError, match=f"HTTP {code}"):
        get()
    assert len(web.asked) == 1


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_what_is_not_there(get, web, code):
    web.faults["/file"] = web.status(code)
    with pytest.raises(NotThereError, match=f"the file is not there, or not public .HTTP {code}"):
        get()
    with pytest.raises(NotThereError, match="not open to your credentials"):
        get(authorization="Bearer expired")


@pytest.mark.parametrize("code", [201, 204, 206, 304])
def test_a_success_of_another_kind_is_none(get, web, code):
    web.faults["/file"] = web.status(code)
    with pytest.raises(FetchError, match=f"HTTP {code}"):
        get()
    assert left(get.folder) == []


def test_silence_is_given_up_within_the_patience(get, web, monkeypatch):
    monkeypatch.setattr(download_module, "PATIENCE", 0.1)
    web.faults["/file"] = web.silence(0.5)
    with pytest.raises(UnreachableError, match=r"no answer within 0\.2 seconds"):
        get()
    assert len(web.asked) == 1


def test_nobody_listens(tmp_path, web):
    address = Address("the file", "http://127.0.0.1:9/file")
    with pytest.raises(UnreachableError, match=r"no connection \(Connection refused\)"):
        download(address, tmp_path, FetchProgress("a test"))
    assert left(tmp_path) == []


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_drip_is_too_slow(get, web, where, monkeypatch):
    monkeypatch.setattr(download_module, "PATIENCE", 0)
    monkeypatch.setattr(download_module, "ATTEMPTS", 1)
    web.faults["/file"] = web.drip(1.0, where)
    start = time.monotonic()
    with pytest.raises(TemporaryError, match="brings less than 1,000 bytes a second"):
        get()
    assert time.monotonic() - start < 0.6
    assert left(get.folder) == []


def test_a_body_that_stalls_is_continued(get, web):
    def stall(web, request, content):
        web.send(request, content, upto=5000)
        request.wfile.flush()
        time.sleep(0.4)

    web.faults["/file"] = [stall]
    assert get() == CONTENT
    assert web.sent == [5000, len(CONTENT) - 5000]


@pytest.mark.parametrize(
    ("known", "length", "reason"),
    [
        ({"size": 9}, None, "the file has 10,240 bytes, not 9"),
        ({"size": 9}, "none", "the file is longer than its 9 bytes"),
        ({"limit": 9}, None, "the file has 10,240 bytes, more than the 9 allowed"),
        ({"limit": 9}, "none", "the file is longer than its 9 bytes"),
        ({}, 10**18, r"has 1,000,000,000,000,000,000 bytes, more than the [\d,]+ allowed"),
        ({"sha256": "0" * 64}, None, r"has the sha256 \w{12}\.\.\., not 000000000000\.\.\."),
    ],
)
def test_another_length_or_hash_than_expected_leaves_nothing(get, web, known, length, reason):
    web.faults["/file"] = web.changed(length=length)
    with pytest.raises(FetchError, match=reason):
        get(**known)
    assert left(get.folder) == []
    assert len(web.asked) == 1


def test_what_the_disk_cannot_hold_is_not_begun(get, web, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9000, 0, 9000))
    with pytest.raises(FetchError, match=r"10,240 bytes, and the cache's disk has 9,000 free"):
        get()
    assert left(get.folder) == []


def test_too_short_for_what_is_known(get, web):
    web.faults["/file"] = web.changed(length="none", ranges=False)
    with pytest.raises(TemporaryError, match="ended after 10,240 of 10,241 bytes"):
        get(size=10_241)


@pytest.mark.parametrize(
    "header",
    [
        {"X-Linked-ETag": '"' + "0" * 64 + '"'},
        {"x-goog-hash": "crc32c=AAAAAA==,md5=" + base64.b64encode(bytes(16)).decode()},
    ],
)
def test_the_hash_that_the_server_tells_must_be_the_content_s(get, web, header):
    web.headers["/file"] = header
    with pytest.raises(FetchError, match=r"sha256|MD5"):
        get()
    assert left(get.folder) == []


def test_the_hashes_that_the_servers_tell_hold_for_a_continued_file_too(get, web):
    md5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    web.headers["/file"] = {"X-Linked-ETag": f'"{SHA256}"', "x-goog-hash": f"md5={md5}"}
    web.faults["/file"] = [web.cut(5000)]
    assert get() == CONTENT
    web.headers["/file"] = {"X-Linked-ETag": '"git"', "x-goog-hash": "md5=x"}  # no such hashes
    assert get() == CONTENT


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (("endless",), "longer than its"),
        (("endless", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "."),
        (
            ("endless", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 999),
            ".",
        ),
        (("endless", b"HTTP/1.0 200 OK\r\nX: "), "."),
        (("endless", b"HTTP/1.0 200 OK\r\n", b"X: y\r\n" * 999), "."),
        (("endless", b"", b"nonsense"), "."),
        (("endless", b"HTTP/1.0 503 Busy\r\n\r\n"), "HTTP 503"),
        (("endless", b"HTTP/1.0 302 Found\r\nLocation: /file\r\n\r\n"), "redirected without end"),
    ],
)
def test_what_has_no_end_is_given_up(get, web, fault, reason):
    web.faults["/file"] = getattr(web, fault[0])(*fault[1:])
    with pytest.raises(FetchError, match=reason):
        get(limit=100_000)
    assert left(get.folder) == []


def test_whatever_a_server_says_is_content_or_an_error(get, web, monkeypatch):
    monkeypatch.setattr(download_module, "ATTEMPTS", 1)
    rng = random.Random(7)
    heads = (
        b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nETag: "x"\r\n\r\n' + b"x" * 99,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /other/x\r\nX-Linked-ETag: x\r\n\r\n",
        b'HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\nETag: "x"\r\n\r\n12345',
        b"HTTP/1.1 429 Busy\r\nRetry-After: 9\r\nx-goog-hash: md5=AAAA\r\n\r\n",
    )
    came = 0
    for _ in range(150):
        data = bytearray(rng.choice(heads))
        for _ in range(rng.randint(0, 3)):
            data[rng.randrange(min(len(data), 80))] = rng.choice(b"\0 \r\n:;=/09x\xff%")
        web.faults["/file"] = lambda web, request, _, data=data: request.wfile.write(data)
        with contextlib.suppress(FetchError):
            came += len(get()) > 0
        assert {path.suffix for path in get.folder.iterdir()} <= {".partial", ".json"}
    assert 20 < came < 130


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "redirects to file://, and only to https"),
        ("ftp://example.org/file", "redirects to ftp://"),
        ("http://example.org/file", "redirects to http://"),
        ("http://localhost:1/file", "redirects to http://"),
        ("http://127.0.0.1.example.org/file", "redirects to http://"),
        ("data:text/plain,x", "redirects to data://"),
        ("https://", "redirects to https://"),
        ("https://example.org:99999/", "redirects to https://"),
        ("https://" + "a" * 64 + ".org/", "is no address"),
        ("http://[::1", "redirects to what is no address"),
        ("/file", "redirected without end"),
        ("", "redirected without end"),
    ],
)
def test_a_redirect_to_elsewhere_is_not_followed(get, web, location, reason):
    web.faults["/file"] = web.redirect(location)
    with pytest.raises(FetchError, match=reason):
        get()
    assert left(get.folder) == []


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed_and_continued_through(get, web, code):
    web.content["/else%20where/%C3%A9"] = CONTENT
    # Not as it should be written, but as some servers write it: UTF-8 as it is.
    web.faults["/file"] = web.status(code, Location="/else where/é".encode().decode("latin-1"))
    web.faults["/else%20where/%C3%A9"] = [web.cut(5000)]
    assert get() == CONTENT
    assert web.asked == ["/file", "/else%20where/%C3%A9"] * 2
    assert web.seen[3]["Range"] == "bytes=5000-"


def test_credentials_go_to_their_host_alone(get, web, monkeypatch):
    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            web.seen.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as other:
        threading.Thread(target=other.handle_request).start()
        web.faults["/file"] = web.redirect("/second")
        web.faults["/second"] = web.redirect(f"http://127.0.0.1:{other.server_port}/third")
        assert get(authorization="Bearer secret") == b"ok"
    assert [seen.get("Authorization") for seen in web.seen] == ["Bearer secret"] * 2 + [None]
    assert "secret" not in repr(Address("x", "https://x", "Bearer secret"))


def test_over_https_nothing_leads_back_to_http():
    for target in ("http://127.0.0.1/x", "http://example.org/", "file:///x"):
        with pytest.raises(FetchError, match="only to https"):
            request._redirected("https://hub.example/x", target)
    assert request._redirected("https://hub.example/a/b", "../c") == "https://hub.example/c"


@pytest.fixture
def secure(web, tmp_path, monkeypatch):
    """A server like `web` that speaks https, with a certificate that is trusted here alone."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x"
    command += " -days 2 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), web.handler)
    server.handle_error = lambda *_: None  # a client that does not trust it
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    web.plain, web.url = web.url, f"https://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    yield web
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_the_same_over_https(secure, get, monkeypatch):
    secure.faults["/file"] = [secure.cut(5000), secure.status(503)]
    assert get(authorization="Bearer secret") == CONTENT
    assert secure.seen[-1]["Range"] == "bytes=5000-"
    assert secure.seen[-1]["Authorization"] == "Bearer secret"
    secure.faults["/file"] = secure.redirect(f"{secure.plain}/file")
    with pytest.raises(FetchError, match="redirects to http://, and only to https is it followed"):
        get()
    monkeypatch.setattr(download_module, "ATTEMPTS", 1)
    secure.faults["/file"] = secure.drip(1.0)
    with pytest.raises(TemporaryError, match="less than 1,000 bytes a second"):
        get()
    secure.faults["/file"] = secure.silence(0.5)
    with pytest.raises(UnreachableError, match="no answer within"):
        get()
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        get()


@pytest.mark.parametrize(
    "value", ["http://example.org", "ftp://x", "example.org", "https://", "x:"]
)
def test_an_endpoint_must_be_https(monkeypatch, value):
    monkeypatch.setenv("HF_ENDPOINT", value)
    with pytest.raises(FetchError, match="must begin with https://"):
        endpoint("HF_ENDPOINT", "https://huggingface.co")
    monkeypatch.setenv("HF_ENDPOINT", "")
    assert endpoint("HF_ENDPOINT", "https://huggingface.co") == "https://huggingface.co"


def test_a_token_with_a_line_end_within_is_refused_and_not_shown(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", " hf_secret\n")
    assert request.bearer("HF_TOKEN") == "Bearer hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_secret\r\nX: y")
    with pytest.raises(UserError, match="HF_TOKEN holds characters") as caught:
        request.bearer("HF_TOKEN")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_document_that_is_no_json(get, web, body):
    web.content["/file"] = body
    with pytest.raises(FetchError, match="the file is no JSON"):
        download_json(Address("the file", f"{web.url}/file"), get.folder, FetchProgress("a test"))
    assert left(get.folder) == []


INTERRUPTED = textwrap.dedent(
    """
    import pathlib, sys
    from kerasformer.sources.download import download
    from kerasformer.sources.progress import FetchProgress
    from kerasformer.sources.request import Address

    download(Address("the file", sys.argv[1]), pathlib.Path(sys.argv[2]), FetchProgress("a test"))
    """
)


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_is_continued_by_the_next(get, web, number):
    content = os.urandom(1 << 20)
    web.content["/file"] = content
    half = threading.Event()

    def stall(web, request, content):
        web.send(request, content, upto=len(content) // 2)
        request.wfile.flush()
        half.wait(4)

    web.faults["/file"] = [stall]
    command = [sys.executable, "-c", INTERRUPTED, f"{web.url}/file", str(get.folder)]
    run = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while sum(path.stat().st_size for path in get.folder.glob("*.partial")) < 100_000:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    run.send_signal(number)
    run.communicate(timeout=10)
    half.set()
    there = sum(path.stat().st_size for path in get.folder.glob("*.partial"))
    assert 100_000 <= there < len(content)
    assert get() == content
    assert web.seen[-1]["Range"] == f"bytes={there}-"
