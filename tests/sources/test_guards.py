"""Addresses and names that are not followed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.sources.places import FetchError, check_names, require_https

HUB = "https://hub.example/x"
MIRROR = "http://127.0.0.1:99/x"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://example.org/", HUB),
        ("http://127.0.0.1/x", HUB),  # this machine's ports are none of the hub's business
        ("file:///etc/passwd", HUB),
        ("ftp://example.org/", HUB),
        ("data:text/plain,x", HUB),
        ("//example.org/x", HUB),
        ("https://", HUB),
        ("https://x:0/", HUB),
        ("https://x:99999/", HUB),
        ("http://[::1", HUB),
        ("http://example.org/", MIRROR),
        ("http://localhost:1/", MIRROR),
        ("http://127.0.0.1.example.org/", MIRROR),
        ("file:///etc/passwd", MIRROR),
    ],
)
def test_only_https_is_followed(url, origin):
    with pytest.raises(FetchError, match="only https is followed"):
        require_https(url, origin)


def test_https_and_a_local_mirror_are_followed():
    require_https("https://cdn.example/x?signed", HUB)
    require_https("https://cdn.example/x?signed", MIRROR)
    require_https("http://127.0.0.1:98/y", MIRROR)


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "a/../../x", "a/..", "/etc/passwd", "C:/x", "c:x", "a\\..\\x", "a//b", "a/"),
        *("", ".", "./a", "a./b", "a ", "a\nb", "a\x7fb", "a\0", "ab:stream", "a\udcffb", "a*"),
        *("x" * 300, "x/" * 600 + "y"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(
        FetchError, match=r"the name '.*' of one of its files is not safe"
    ) as caught:
        check_names(["config.json", name])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_the_names_of_models_are_taken():
    check_names(
        ["config.json", "1_Pooling/config.json", "assets/ñandú 模型.txt", "a-b_c.d/.hidden"]
    )


PARTS = st.sampled_from(["a", "..", ".", "", "c:", "\\", "\0", "é", "a.", " ", "x" * 99, "/"])


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.lists(PARTS, min_size=1, max_size=4).map("/".join), st.text(max_size=8)))
def test_names_that_are_taken_stay_within_their_folder(tmp_path_factory, name):
    try:
        check_names([name])
    except FetchError:
        return
    folder = tmp_path_factory.getbasetemp() / "folder"
    assert (folder / name).resolve().is_relative_to(folder.resolve())
    assert (folder / name).resolve() != folder.resolve()
