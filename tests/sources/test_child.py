"""Downloads in a child process: what it says comes back, and it is ended when it gets nowhere."""

import errno
import importlib
import os
import signal
import subprocess
import sys
import textwrap
import time
import types

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from huggingface_hub.utils import get_session

from kerasformer.sources import child
from kerasformer.sources.child import asking, call, perform
from kerasformer.sources.places import FetchError, UnreachableError
from kerasformer.sources.progress import FetchProgress


@pytest.fixture
def download(tmp_path, monkeypatch):
    """Runs the body of a function in a child, with `folder` to write to."""
    folder = tmp_path / "downloads"
    folder.mkdir()

    def download(body):
        lines = "import os, time\nfrom kerasformer.sources.child import announce, asking\n"
        lines += "from kerasformer.sources.places import *\n"
        lines += "def download(folder):\n" + textwrap.indent(textwrap.dedent(body), "    ")
        (tmp_path / "library.py").write_text(lines)
        with FetchProgress("a test") as progress:
            return call("library:download", {"folder": str(folder)}, progress)

    monkeypatch.syspath_prepend(tmp_path)
    download.folder = folder
    return download


def test_a_result_comes_back_and_what_a_library_prints_does_not(download, capfd):
    result = download("print('noise'); os.write(2, b'bars'); return {'ñ': [1, None]}")
    assert result == {"ñ": [1, None]}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        ("raise FetchError('it has no config.json')", FetchError, "^it has no config.json$"),
        ("raise UnreachableError('nobody')", UnreachableError, "^nobody$"),
        ("asking('x'); raise KeyError('a\\nb')", FetchError, r"^x could not be fetched: 'a\\nb'$"),
        ("open(folder)", OSError, "Is a directory"),
        ("os._exit(3)", FetchError, "the download failed"),
        ("print('out of memory'); os.abort()", FetchError, "the download failed: out of memory"),
    ],
)
def test_a_failure_comes_back_as_what_it_is(download, body, kind, reason):
    with pytest.raises(kind, match=reason) as caught:
        download(body)
    assert type(caught.value) is kind or kind is OSError
    if kind is OSError:
        assert caught.value.errno == errno.EISDIR


STALLS = {
    "before an answer": ("asking('the list'); time.sleep(9)", r"no answer within 0\.3 seconds"),
    "at the start": ("time.sleep(9)", r"no answer within 0\.3 seconds"),
    "in the middle": (
        """
        announce(folder, 10**6)
        with open(folder + "/x", "wb", buffering=0) as file:
            while True:
                file.write(b"x")
                time.sleep(0.02)
        """,
        "it brings less than 1,000 bytes a second",
    ),
    "never": (
        """
        announce(folder, 10**6)
        with open(folder + "/x", "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 10**6)
        """,
        "it brings more than the 1,000,000 bytes expected",
    ),
}


@pytest.mark.parametrize("where", STALLS)
def test_what_gets_nowhere_or_has_no_end_is_ended(download, monkeypatch, where):
    for name in ("ANSWER", "PATIENCE"):
        monkeypatch.setattr(child, name, 0.3)
    if where == "at the start":
        monkeypatch.setattr(child, "START", 0.3)
    body, reason = STALLS[where]
    began = time.monotonic()
    with pytest.raises(FetchError, match=reason) as caught:
        download("open(folder + '/pid', 'w').write(str(os.getpid()))\n" + textwrap.dedent(body))
    assert isinstance(caught.value, UnreachableError) == (where != "never")
    assert time.monotonic() - began < 8
    if where != "at the start":
        with pytest.raises(ProcessLookupError):
            os.kill(int((download.folder / "pid").read_text()), 0)


def test_a_slow_download_is_left_in_peace(download, monkeypatch, capsys):
    monkeypatch.setattr(child, "PATIENCE", 0.4)
    body = """
        announce(folder, 60_000)
        for part in range(30):
            with open(f"{folder}/{part}", "wb") as file:
                file.write(bytes(2000))
            time.sleep(0.03)
        return {}
        """
    assert download(body) == {}
    assert "Fetching a test (0.1 MB) ..." in capsys.readouterr().err


@pytest.mark.parametrize("cleans_up", [True, False])
def test_a_child_that_is_ended_may_clean_up_but_not_go_on(download, monkeypatch, cleans_up):
    monkeypatch.setattr(child, "ANSWER", 0.2)
    monkeypatch.setattr(child, "LAST_WORDS", 0.5)
    ending = "os.remove(path)" if cleans_up else "time.sleep(9)"
    body = f"""
        path = folder + "/unfinished"
        try:
            open(path, "w")
            asking("x")
            time.sleep(9)
        finally:
            {ending}
        """
    with pytest.raises(UnreachableError):
        download(body)
    assert (download.folder / "unfinished").exists() != cleans_up


RUN = textwrap.dedent(
    """
    import sys
    from kerasformer.sources.child import call
    from kerasformer.sources.progress import FetchProgress

    with FetchProgress("a test") as progress:
        call("library:download", {"folder": sys.argv[1]}, progress)
    """
)


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_ctrl_c_ends_the_child_too(download, tmp_path):
    with pytest.raises(FetchError):
        download("os._exit(0)")
    (tmp_path / "library.py").write_text(
        "import os, time\n"
        "def download(folder):\n"
        "    open(folder + '/pid', 'w').write(str(os.getpid()))\n"
        "    time.sleep(30)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-c", RUN, str(download.folder)]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
    pid = download.folder / "pid"
    deadline = time.monotonic() + 20
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in run.communicate(timeout=10)[1]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_the_child_ends_with_a_parent_that_is_killed(download, tmp_path):
    with pytest.raises(FetchError):
        download("os._exit(0)")
    (tmp_path / "library.py").write_text(
        "import os, time\n"
        "def download(folder):\n"
        "    try:\n"
        "        open(folder + '/pid', 'w').write(str(os.getpid()))\n"
        "        time.sleep(30)\n"
        "    finally:\n"
        "        open(folder + '/cleaned', 'w')\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-c", RUN, str(download.folder)]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 20
    for name in ("pid", "cleaned"):
        while not (download.folder / name).exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if name == "pid":
            run.kill()
            run.wait()


def test_a_full_disk_that_a_library_wraps_is_the_disks_fault():
    def fail():
        raise RuntimeError("Data processing error: No space left on device (os error 28)")

    sys.modules["wraps_a_full_disk"] = types.SimpleNamespace(fail=fail)
    try:
        with pytest.raises(OSError, match="No space left") as error:
            perform("wraps_a_full_disk:fail", {})
    finally:
        del sys.modules["wraps_a_full_disk"]
    assert error.value.errno == errno.ENOSPC


class Reply:
    def __init__(self, status):
        self.status_code = status


def library(error):
    def fail():
        asking("the file")
        raise error

    return fail


def test_the_errors_of_the_libraries_become_few_words(monkeypatch):
    requests = pytest.importorskip("requests")
    httpx = importlib.import_module(type(get_session()).__module__.partition(".")[0])  # or httpx2
    lost = LocalEntryNotFoundError("a long story")
    lost.__cause__ = httpx.ConnectTimeout("late")
    told = {
        "the answer for the file was HTTP 500": requests.HTTPError(response=Reply(500)),
        "the file is not there, or not open": requests.HTTPError(response=Reply(404)),
        "no answer in time": lost,
        "no connection (refused)": httpx.ConnectError("refused"),
        "no connection (gone)": requests.ConnectionError("gone"),
        "the file could not be fetched: broken off": httpx.RemoteProtocolError("broken\noff"),
    }
    for reason, error in told.items():
        monkeypatch.setattr(child, "failing", library(error), raising=False)
        with pytest.raises(FetchError) as caught:
            perform("kerasformer.sources.child:failing", {})
        assert str(caught.value).startswith(reason)
        unreachable = reason.startswith("no ")
        assert isinstance(caught.value, UnreachableError) == unreachable


def test_nothing_that_a_library_prints_is_taken_for_a_result(download):
    with pytest.raises(FetchError, match="the download failed"):
        download("""print('\\n["result", {}]', flush=True); os._exit(0)""")
