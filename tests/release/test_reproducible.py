"""Two builds of one source have the same bytes, wherever and whenever they are made."""

from __future__ import annotations

import os
import tarfile
import zipfile

from release_build import build, built, copy_of_the_checkout

__all__ = ["built"]


def old_and_private(folder):
    """The same files with other times and other rights, as another clone may have them."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return folder


def test_builds_in_other_places_and_times_have_the_same_bytes(built, tmp_path):
    folder = copy_of_the_checkout(tmp_path / "a longer way" / "to it")
    again = build(old_and_private(folder), TZ="Asia/Kathmandu", PYTHONHASHSEED="7")
    assert built.keys() == again.keys() == {".gz", ".whl"}
    for ending, path in built.items():
        assert path.name == again[ending].name
        assert path.read_bytes() == again[ending].read_bytes(), path.name


def test_source_date_epoch_is_the_time_of_all_files(built, tmp_path):
    folder = copy_of_the_checkout(tmp_path / "checkout")
    dated = build(folder, SOURCE_DATE_EPOCH="1700000000")
    with tarfile.open(dated[".gz"]) as sdist:
        assert {member.mtime for member in sdist} == {1_700_000_000}
    with zipfile.ZipFile(dated[".whl"]) as wheel:
        assert {file.date_time for file in wheel.infolist()} == {(2023, 11, 14, 22, 13, 20)}
    # Nothing but the times is another.
    with zipfile.ZipFile(built[".whl"]) as wheel, zipfile.ZipFile(dated[".whl"]) as other:
        assert {f.filename: f.CRC for f in wheel.infolist()} == {
            f.filename: f.CRC for f in other.infolist()
        }
