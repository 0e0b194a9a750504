"""Files of metrics that are written when there is room for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphkit.server.http import metric_files
from graphkit.server.http.metric_files import PatientFile
from tests.server.http.disks import Disk

mmap_dict = pytest.importorskip("prometheus_client.mmap_dict")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files try again at every write."""
    monkeypatch.setattr(metric_files, "_AGAIN_S", 0.0)


def written(file: Path) -> dict[str, float]:
    """Return what those find who add up."""
    return {key: value for key, value, *_ in mmap_dict.MmapedDict.read_all_values_from_file(file)}


def test_values_are_written_and_read_again(tmp_path: Path) -> None:
    file = PatientFile(str(tmp_path / "a.db"))
    assert file.read_value("x") == (0.0, 0.0)
    file.write_value("x", 2.0, 3.0)
    assert file.read_value("x") == (2.0, 3.0)
    file.write_value("ü" * 100_000, 1.0, 0.0)  # larger than the file
    assert written(tmp_path / "a.db") == {"x": 2.0, "ü" * 100_000: 1.0}
    file.close()
    again = PatientFile(str(tmp_path / "a.db"))
    again.write_value("y", 1.0, 0.0)
    assert again.read_value("x") == (2.0, 3.0)
    again.close()


def test_values_wait_until_the_file_can_be_made(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    file = PatientFile(str(folder / "a.db"))
    file.write_value("x", 1.0, 0.0)
    file.write_value("x", 2.0, 0.0)
    assert (file.read_value("x"), file.read_value("y")) == ((2.0, 0.0), (0.0, 0.0))
    folder.mkdir()
    file.write_value("z", 3.0, 0.0)
    assert written(folder / "a.db") == {"x": 2.0, "y": 0.0, "z": 3.0}
    assert file.read_value("x") == (2.0, 0.0)
    file.close()


def test_values_wait_until_the_file_can_grow(disk: Disk) -> None:
    file = PatientFile(str(disk.folder / "a.db"))
    file.write_value("0", 0.0, 0.0)
    disk.fill()
    for number in range(1, 10_000):
        file.write_value(str(number), float(number), 0.0)
    file.write_value("0", 5.0, 0.0)
    there = written(disk.folder / "a.db")
    assert 1000 < len(there) < 5000
    assert there["0"] == 5.0
    assert file.read_value("9999") == (9999.0, 0.0)
    disk.make_room()
    file.write_value("0", 6.0, 0.0)
    assert written(disk.folder / "a.db") == {"0": 6.0, **{str(number): float(number) for number in range(1, 10_000)}}
    file.close()


def test_a_file_that_finds_no_room_leaves_nothing(disk: Disk) -> None:
    disk.fill()
    file = PatientFile(str(disk.folder / "a.db"))
    file.write_value("x", 1.0, 0.0)
    assert {path.name for path in disk.folder.iterdir()} == {"ballast"}
    file.close()
