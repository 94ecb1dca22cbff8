"""Unpacking archives: sound ones whole, hostile and damaged ones not at all."""

import gzip
import io
import os
import random
import shutil
import struct
import subprocess
import tarfile
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.sources import archive as archive_module
from kerasformer.sources.archive import ArchiveError, MemberNames, unpack

MODEL = {
    "saved_model.pb": b"graph" * 999,
    "variables/variables.index": b"",
    "variables/variables.data-00000-of-00001": os.urandom(5000),
    "assets/vocab.txt": "[PAD]\né\n".encode(),
}


def member(name, data=b"x", kind=tarfile.REGTYPE, link="", **fields):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar_of(*members, form=tarfile.GNU_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def model_tar(form=tarfile.GNU_FORMAT):
    folders = [member(name, b"", tarfile.DIRTYPE) for name in (".", "./assets", "variables/")]
    return tar_of(*folders, *(member(f"./{name}", data) for name, data in MODEL.items()), form=form)


def unpacked(folder, data, compress=True):
    """What an archive unpacks to, its folder's content by name."""
    folder.mkdir(exist_ok=True)
    path, target = folder / "model.tar.gz", folder / "target"
    path.write_bytes(gzip.compress(data, 1) if compress else data)
    target.mkdir()
    names = unpack(path, target, "model.tar.gz")
    found = {
        p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()
    }
    assert names == sorted(found)
    return found


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_model_comes_out_as_it_went_in(tmp_path, form):
    assert unpacked(tmp_path, model_tar(form)) == MODEL


@pytest.mark.skipif(shutil.which("tar") is None, reason="packs with tar")
@pytest.mark.parametrize("form", ["gnu", "ustar", "pax", "v7"])
def test_what_tar_itself_packs(tmp_path, form):
    """As https://www.tensorflow.org/hub/hosting says that a model is to be packed."""
    for name, data in MODEL.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    archive = tmp_path / "model.tar.gz"
    command = ["tar", "-cz", "-f", archive, f"--format={form}", "--owner=0", "--group=0"]
    subprocess.run([*command, "-C", tmp_path / "model", "."], check=True)
    assert unpacked(tmp_path, archive.read_bytes(), compress=False) == MODEL


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names(tmp_path, form):
    names = {"a" * 120 + "/" + "b" * 120: b"1", "assets/ñandú 模型.txt": b"2"}
    data = tar_of(*(member(name, content) for name, content in names.items()), form=form)
    assert unpacked(tmp_path, data) == names


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("../x")], r"the member '../x' of model.tar.gz leads out of its folder"),
        ([member("a/../../x")], "leads out of its folder"),
        ([member("a/..")], "leads out"),
        ([member("/etc/passwd")], "has an absolute path"),
        ([member("C:/x")], "has an absolute path"),
        ([member("c:x")], "has an absolute path"),
        ([member("a\\..\\x")], "has no portable name"),
        ([member("a\nb")], "has no portable name"),
        ([member("a\x7fb")], "has no portable name"),
        ([member("a//b")], "has no portable name"),
        ([member("a./b")], "has no portable name"),
        ([member("a ")], "has no portable name"),
        ([member("a\udcffb")], "has no portable name"),
        ([member("ab:stream")], "has no portable name"),
        ([member("")], "has no portable name"),
        ([member(".")], "is there twice"),
        ([member("x" * 300)], "has too long a name"),
        ([member("x/" * 600 + "y")], "has too long a name"),
        ([member("a"), member("a")], "is there twice"),
        ([member("a"), member("./a")], "is there twice"),
        ([member("a"), member("A")], "is there twice"),
        ([member("stra\u00dfe"), member("STRASSE")], "is there twice"),
        ([member("\u00e9"), member("e\u0301")], "is there twice"),
        ([member("a"), member("a/b")], "is there twice"),
        ([member("a/b"), member("a")], "is there twice"),
        ([member("a"), member("a", b"", tarfile.DIRTYPE)], "is there twice"),
        ([member("a", b"", tarfile.SYMTYPE, "/etc/passwd")], "neither a plain file nor a folder"),
        ([member("a", b"", tarfile.SYMTYPE, "b"), member("a/c")], "neither a plain file"),
        ([member("b"), member("a", b"", tarfile.LNKTYPE, "b")], "neither a plain file"),
        ([member("a", b"", tarfile.CHRTYPE)], "neither a plain file"),
        ([member("a", b"", tarfile.BLKTYPE)], "neither a plain file"),
        ([member("a", b"", tarfile.FIFOTYPE)], "neither a plain file"),
        ([member("a", b"x", b"V")], "neither a plain file"),
    ],
)
def test_a_member_that_no_model_has_is_named_and_refused(tmp_path, members, reason):
    with pytest.raises(ArchiveError, match=reason) as caught:
        unpacked(tmp_path, tar_of(member("first", b"1"), *members))
    assert "model.tar.gz" in str(caught.value)
    assert "\n" not in str(caught.value)
    outside = {path.name for path in tmp_path.iterdir()}
    assert outside == {"model.tar.gz", "target"}


def test_the_second_line_of_defence_holds_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "_problem", lambda name, parts: None)
    with pytest.raises(ArchiveError, match="outside the destination"):
        unpacked(tmp_path, tar_of(member("../../x")))


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "SLACK", 1 << 20)
    bomb = tar_of(member("zeros", bytes(4 << 20)))
    with pytest.raises(ArchiveError, match=r"the member 'zeros' .* has 4,194,304 bytes, more than"):
        unpacked(tmp_path, bomb)
    assert not list((tmp_path / "target").iterdir())


def test_many_small_bombs_are_one(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "SLACK", 1 << 20)
    bombs = tar_of(*(member(f"{i}", bytes(1 << 18)) for i in range(9)))
    with pytest.raises(ArchiveError, match=r"the member '\d' .* has 262,144 bytes"):
        unpacked(tmp_path, bombs)


def test_members_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "MOST_MEMBERS", 10)
    with pytest.raises(ArchiveError, match=r"model\.tar\.gz has more than 10 members"):
        unpacked(tmp_path, tar_of(*(member(f"{i}") for i in range(11))))


def test_zeros_without_end_after_the_last_member(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "SLACK", 1 << 20)
    with pytest.raises(ArchiveError, match=r"unpacks to more than [\d,]+ bytes"):
        unpacked(tmp_path, model_tar() + bytes(4 << 20))


def header(name, size, kind):
    info, _ = member(name, b"", kind)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [b"x", b"g", b"X", b"L", b"K"])
def test_a_header_that_claims_gigabytes_takes_no_memory(tmp_path, kind):
    data = header("h", 1 << 33, kind) + bytes(32 << 20)
    tracemalloc.start()
    with pytest.raises(ArchiveError, match="a header claims 8,589,934,592 bytes"):
        unpacked(tmp_path, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20  # most of it is the test's own


def pax(*records):
    text = b""
    for record in records:
        length = len(record) + 3
        while len(f"{length} {record}\n") != length:
            length = len(f"{length} {record}\n")
        text += f"{length} {record}\n".encode()
    return header("pax", len(text), b"x") + text + bytes(-len(text) % 512)


@pytest.mark.parametrize(
    "records",
    [
        ("path=../x",),
        ("path=/x",),
        ("size=-1",),
        ("size=-512",),
        ("size=999999999999999999999",),
        ("size=1e400",),
        ("GNU.sparse.major=1", "GNU.sparse.minor=0"),
        ("GNU.sparse.map=0,1",),
        ("GNU.sparse.size=99999999999",),
        ("mtime=1e400", "path=../x"),
    ],
)
def test_extended_headers_that_lie(tmp_path, records):
    with pytest.raises(ArchiveError, match=r"model\.tar\.gz"):
        unpacked(tmp_path, pax(*records) + tar_of(member("a", b"x" * 700), member("b", b"y" * 700)))


def test_extended_headers_of_extended_headers(tmp_path):
    with pytest.raises(ArchiveError, match=r"model\.tar\.gz is no sound \.tar\.gz"):
        unpacked(tmp_path, pax("comment=x") * 5000 + tar_of(member("a")))


def test_negative_sizes_and_sparse_members(tmp_path):
    info, _ = member("a", b"")
    raw = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    raw[124:136] = b"\xff" * 4 + struct.pack(">q", -512)
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * 32 + sum(raw[156:512]))
    with pytest.raises(ArchiveError, match="a header claims -512 bytes"):
        unpacked(tmp_path, bytes(raw) + bytes(2048))
    with pytest.raises(ArchiveError, match="a sparse member"):
        unpacked(tmp_path / "sparse", header("s", 0, tarfile.GNUTYPE_SPARSE) + bytes(2048))


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_archive(tmp_path, part):
    whole = gzip.compress(model_tar())
    with pytest.raises(ArchiveError, match=r"model\.tar\.gz is no sound \.tar\.gz"):
        unpacked(tmp_path, whole[: int(len(whole) * part)], compress=False)


def test_a_tar_that_ends_within_a_member(tmp_path):
    with pytest.raises(ArchiveError, match=r"model.tar.gz is no sound .tar.gz \(unexpected end"):
        unpacked(tmp_path, model_tar()[:-12_000])


@pytest.mark.parametrize(
    ("data", "compress"),
    [
        (model_tar() + b"trailing", True),
        (model_tar() + tar_of(member("second")), True),
        (gzip.compress(model_tar()) + b"trailing", False),
        (gzip.compress(model_tar()) + gzip.compress(b"trailing"), False),
        (model_tar(), False),  # not packed
        (b"<html>Not found</html>", False),
        (b"PK\3\4", False),
        (b"", True),
        (b"x" * 2000, True),
    ],
)
def test_what_is_no_archive_or_more_than_one(tmp_path, data, compress):
    with pytest.raises(ArchiveError, match=r"model\.tar\.gz is "):
        unpacked(tmp_path, data, compress)


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path):
    data = bytearray(tar_of(member("a"), member("b", b"")))
    data[1024] ^= 1
    with pytest.raises(ArchiveError, match="a damaged header"):
        unpacked(tmp_path, bytes(data))


def test_a_wrong_checksum_of_the_whole(tmp_path):
    data = bytearray(gzip.compress(model_tar()))
    data[-8] ^= 1
    with pytest.raises(ArchiveError, match="CRC check failed"):
        unpacked(tmp_path, bytes(data), compress=False)


PARTS = st.sampled_from(["a", "A", "b", "..", ".", "", "c:", "\\", "\0", "é", "e\u0301", "x" * 99])
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from([b"0", b"\0", b"1", b"2", b"3", b"5", b"6", b"7", b"L", b"V", b"x", b"g"])
MEMBERS = st.lists(st.builds(member, NAMES, st.binary(max_size=600), KINDS, NAMES), max_size=4)


@settings(deadline=None, max_examples=100)
@given(MEMBERS, st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_any_members_stay_within_the_folder_or_are_refused(tmp_path_factory, members, form):
    folder = tmp_path_factory.mktemp("any")
    try:
        found = unpacked(folder, tar_of(*members, form=form))
    except ArchiveError:
        pass
    else:
        files = [data for info, data in members if info.type in (b"0", b"\0")]
        assert sorted(found.values()) == sorted(files)
    assert {path.name for path in folder.iterdir()} == {"model.tar.gz", "target"}
    assert not any(path.is_symlink() for path in folder.rglob("*"))


def test_thousands_of_damaged_archives_are_unpacked_or_refused(tmp_path):
    rng, path = random.Random(7), tmp_path / "x"
    sound = pax("path=a/long", "mtime=1.5") + tar_of(member("x"), member("b/c", b"12", mode=0o755))
    refused = 0
    for trial in range(1000):
        data = bytearray(sound)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(data))
            kind = rng.random()
            if kind < 0.6:
                data[at] = rng.choice([0, 0xFF, 0x80, 0x30, 0x2F, 0x2E, rng.randrange(256)])
            elif kind < 0.8:
                del data[at : at + rng.choice([1, 512, 1000])]
            else:
                data[at:at] = data[: rng.choice([1, 512, 1024])]
        if trial % 2:  # else the checksum refuses most changes of a header at once
            for start in range(0, len(data) - 511, 512):
                block = data[start : start + 512]
                if block[257:262] == b"ustar":
                    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
                    data[start + 148 : start + 156] = b"%06o\0 " % total
        path.write_bytes(gzip.compress(bytes(data), 1))
        target = tmp_path / str(trial)
        target.mkdir()
        try:
            unpack(path, target, "x")
        except ArchiveError:
            refused += 1
    assert 300 < refused < 1000
    assert {p.name for p in tmp_path.iterdir()} == {"x", *map(str, range(1000))}


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(NAMES, st.text(max_size=8)), max_size=6))
def test_names_that_are_taken_are_portable_and_each_their_own(names):
    taken, checked = [], MemberNames("an archive")
    for name in names:
        try:
            taken.append(checked.take(name))
        except ArchiveError:
            continue
    for name in taken:
        assert not name.startswith("/")
        assert not set(name.split("/")) & {"", ".", ".."}
        assert not set(name) & set('\\:*?"<>|\0')
    assert len({name.casefold() for name in taken}) == len(taken)
