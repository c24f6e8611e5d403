"""Files written whole or not at all, and archives read with limits."""

from __future__ import annotations

import io
import os
import stat
import threading
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amsim import files
from amsim.files import open_archive, refuse_existing, write_atomically


def content(text: bytes) -> Any:
    return lambda file: file.write(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Writing


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    for text in (b"one", b"two"):
        write_atomically(str(path), content(text))
        assert path.read_bytes() == text
    assert names(tmp_path) == ["x.bin"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left"), ValueError()])
@pytest.mark.parametrize("existing", [False, True])
def test_what_breaks_off_changes_nothing(
    error: BaseException, existing: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x.bin"
    if existing:
        path.write_bytes(b"precious")

    def fail(file: Any) -> None:
        file.write(b"half")
        file.flush()
        assert len(names(tmp_path)) == 1 + existing
        raise error

    with pytest.raises(type(error)) as caught:
        write_atomically(path, fail)
    assert names(tmp_path) == ["x.bin"] * existing
    assert not existing or path.read_bytes() == b"precious"
    if isinstance(error, OSError):
        assert str(path) in str(caught.value)


def test_files_of_others_are_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that a writer might take, and even the very name that it would have drawn."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    path = tmp_path / "x.npz"
    for name in ("x.npz.partial", ".x.npz.partial", "x.npz.tmp", "x.npz.lock"):
        (tmp_path / name).symlink_to(victim)
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "drawn")
    drawn = tmp_path / ".x.npz.drawn.partial"
    drawn.symlink_to(victim)
    with pytest.raises(FileExistsError, match=r"x\.npz'"):
        write_atomically(path, content(b"new"))
    assert drawn.is_symlink()
    drawn.unlink()
    before = names(tmp_path)
    write_atomically(path, content(b"new"))
    assert names(tmp_path) == sorted([*before, "x.npz"])
    assert victim.read_bytes() == b"precious"


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "x.npz"
    victim.write_bytes(b"precious")
    path.symlink_to(victim)
    write_atomically(path, content(b"new"))
    assert not path.is_symlink()
    assert (path.read_bytes(), victim.read_bytes()) == (b"new", b"precious")


def test_a_link_to_nothing_takes_a_name(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    refuse_existing(path, force=False)
    path.symlink_to(tmp_path / "nothing")
    with pytest.raises(FileExistsError, match="pass force=True"):
        refuse_existing(path, force=False)
    refuse_existing(path, force=True)


def test_names_beside_cannot_be_foreseen(tmp_path: Path) -> None:
    seen: set[str] = set()
    for _ in range(20):
        write_atomically(tmp_path / "x", lambda _: seen.update(names(tmp_path)))
    assert len(seen) == 21  # and "x"


def test_writers_of_one_name_do_not_mix(tmp_path: Path) -> None:
    path, texts = tmp_path / "x", [bytes([65 + i]) * 100_000 for i in range(8)]

    def save(text: bytes) -> None:
        for _ in range(20):
            write_atomically(path, lambda file: [file.write(text[i::4]) for i in range(4)])

    threads = [threading.Thread(target=save, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in texts
    assert names(tmp_path) == ["x"]


def test_the_mode_is_that_of_an_ordinary_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "ours", content(b""))
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "ours")]
    assert modes[0] == modes[1]


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_folders_pipes_and_missing_folders_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(FileExistsError, match=f"not a file.*{name}"):
            write_atomically(tmp_path / name, content(b"new"))
    with pytest.raises(FileNotFoundError, match=r"nowhere/x\.npz'"):
        write_atomically(tmp_path / "nowhere" / "x.npz", content(b"new"))
    assert names(tmp_path) == ["folder", "pipe"]


def test_a_long_name_has_room_for_the_one_beside(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 120 + ".npz")
    write_atomically(path, content(b"new"))
    assert path.read_bytes() == b"new"


# Archives


ARRAYS: dict[str, Any] = {
    "int8": np.arange(-3, 4, dtype=np.int8),
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 3)),
    "columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "text": np.array('{"é": 1}'),
    "records": np.zeros(3, [("time", float), ("layer", "U7")]),
    "a/b.npy": np.ones((2, 3, 4), np.float32),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back(save: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_atomically(path, lambda file: save(file, **ARRAYS))
    with open_archive(path) as archive:
        assert sorted(archive) == sorted(ARRAYS)
        assert "nothing" not in archive
        for name, array in ARRAYS.items():
            assert archive[name].dtype == array.dtype
            np.testing.assert_array_equal(archive[name], array)
            assert archive.sizes[name] > array.nbytes


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, text in members.items():
            file.writestr(name, text)
    return path


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def read(path: Path, **options: Any) -> dict[str, Any]:
    with open_archive(path, **options) as archive:
        return dict(archive)


def peak(path: Path, reason: str, **options: Any) -> int:
    """Memory that it takes to refuse a file, for this reason."""
    tracemalloc.start()
    with pytest.raises(ValueError, match=reason) as caught:
        read(path, **options)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.name in str(caught.value)
    return taken


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    write_atomically(path, lambda file: np.savez_compressed(file, a=np.zeros(1 << 24, np.int8)))
    assert path.stat().st_size < 1 << 16
    assert peak(path, "unpacks to 16,777,", max_bytes=1 << 23) < 1 << 20
    with open_archive(path, max_bytes=1 << 25) as archive:
        assert len(archive["a"]) == 1 << 24


def test_what_is_not_compressed_is_not_refused_for_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large.npz"
    write_atomically(path, lambda file: np.savez(file, a=np.zeros(1000)))
    with open_archive(path, max_bytes=10) as archive:
        assert len(archive["a"]) == 1000


def declared(path: Path, size: int) -> None:
    """Let the directory of an archive with one member declare another size."""
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 24 : at + 28] = size.to_bytes(4, "little")
    path.write_bytes(raw)


def test_a_bomb_that_declares_less_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.npz", {"a.npy": npy(np.zeros(1 << 24, np.int8))})
    declared(path, 1000)
    assert peak(path, "'a' is damaged") < 1 << 20
    path = zipped(tmp_path / "head.npz", {"a.npy": npy(np.zeros(8, np.int8)) + bytes(1 << 24)})
    declared(path, 136)
    assert peak(path, "'a' is damaged") < 1 << 20


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-1,)", "(0, 10**40)", "(3, True)"])
def test_a_header_that_promises_more_is_refused(shape: str, tmp_path: Path) -> None:
    whole = npy(np.arange(5.0))
    head = whole.replace(b"(5,)", shape.encode()).replace(b" " * (len(shape) - 4) + b"\n", b"\n", 1)
    assert len(head) == len(whole)
    path = zipped(tmp_path / "x.npz", {"a.npy": head})
    assert peak(path, "'a' is damaged") < 1 << 20


REFUSED = {
    "objects": (npy(np.array([{}], dtype=object)), "Python objects"),
    "text": (b"hello", "damaged"),
    "nothing": (b"", "damaged"),
    "short": (npy(np.arange(5.0))[:-1], "do not hold"),
    "long": (npy(np.arange(5.0)) + b"\0", "do not hold"),
    "deep": (b"\x93NUMPY\x01\x00\x00\x20" + b"(" * 0x2000, "damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_members_that_are_no_arrays_are_refused(case: str, tmp_path: Path) -> None:
    member, reason = REFUSED[case]
    peak(zipped(tmp_path / "x.npz", {"a.npy": member}), reason)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_doubtful_archives_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.npz", "w") as file:
        file.writestr("a.npy", npy(np.ones(1)))
        file.writestr("a.npy", npy(np.ones(2)))
    peak(tmp_path / "two.npz", "one name")
    other = {"a.npy": npy(np.zeros(1000))}
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        peak(zipped(tmp_path / "other.npz", other, method), "method")
    os.mkfifo(tmp_path / "pipe.npz")
    peak(tmp_path / "pipe.npz", "not a file")
    (tmp_path / "x.npy").write_bytes(npy(np.ones(3)))
    peak(tmp_path / "x.npy", "not an archive")
    with pytest.raises(FileNotFoundError, match="nothing"), open_archive(tmp_path / "nothing"):
        pass


def read_or_refuse(path: Path) -> dict[str, Any] | str:
    try:
        return read(path)
    except ValueError as error:
        return str(error)


def test_every_changed_byte_is_noticed_or_carries_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    whole = {"a": np.arange(20.0), "b": np.array("text")}
    write_atomically(path, lambda file: np.savez(file, **whole))
    raw = path.read_bytes()
    content = [(raw.index(npy(x)), raw.index(npy(x)) + len(npy(x))) for x in whole.values()]
    for position in range(len(raw)):
        damaged = bytearray(raw)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        found = read_or_refuse(path)
        if isinstance(found, str):
            assert "x.npz" in found
            continue
        assert not any(start <= position < stop for start, stop in content)
        # A member may be lost with its entry of the directory, or have another name.
        values = {name: found[name] for name in whole if name in found}
        for name, array in values.items():
            np.testing.assert_array_equal(array, whole[name])
