"""urllib's connections over http and https, but given up where they bring too little, too slowly.

A socket's timeout sees only silence: a server that sends a byte now and then would hold it for
ever, in the headers as in the body.
"""

import functools
import http.client
import io
import ssl
import time
import urllib.request

SLOWEST = 1000  # bytes a second, the least that a connection must bring ...
WINDOW = 20.0  # ... over so many seconds
_LONGEST_HEAD = 1 << 18  # bytes of headers


def paced_opener() -> urllib.request.OpenerDirector:
    """Opens addresses as urllib does, through the person's proxies; follows no redirect.

    urllib's own redirects would read a body without end, and show the credentials around.
    """
    return urllib.request.build_opener(_NoRedirects, _PacedHTTP, _PacedHTTPS)


class SlowError(OSError):
    """A connection that is alive, and gets nowhere."""


class _Paced(io.RawIOBase):
    """A socket's bytes, as long as they come fast enough; at first as many as headers may take."""

    def __init__(self, raw: io.RawIOBase):
        self._raw = raw
        self._since, self._count = time.monotonic(), 0
        self.left: float = _LONGEST_HEAD

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = self._raw.readinto(buffer) or 0
        self._count += count
        self.left -= count
        if self.left < 0:
            raise http.client.HTTPException("headers without end")
        taken = time.monotonic() - self._since
        if taken > WINDOW:
            if self._count < SLOWEST * taken:
                raise SlowError
            self._since, self._count = time.monotonic(), 0
        return count

    def close(self):
        self._raw.close()
        super().close()


class _PacedResponse(http.client.HTTPResponse):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._paced = _Paced(self.fp.detach())
        self.fp = io.BufferedReader(self._paced)

    def begin(self):
        super().begin()
        self._paced.left = float("inf")


def _paced(connection_class, *arguments, **options):
    connection = connection_class(*arguments, **options)
    connection.response_class = _PacedResponse
    return connection


class _PacedHTTP(urllib.request.HTTPHandler):
    def http_open(self, request):
        return self.do_open(functools.partial(_paced, http.client.HTTPConnection), request)


class _PacedHTTPS(urllib.request.HTTPSHandler):
    def https_open(self, request):
        connect = functools.partial(_paced, http.client.HTTPSConnection)
        return self.do_open(connect, request, context=ssl.create_default_context())


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def http_error_302(self, *_):
        return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302
