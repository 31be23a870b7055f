"""Where a conversion goes when nobody says."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from synthir.target import default_target
from tests.datasets import hand_made


def test_the_source_names_the_target_in_the_current_folder(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "streets", 2)
    assert default_target(tmp_path / "streets/boxes.json", dataset, tmp_path) == tmp_path / "boxes-ir"
    assert default_target(tmp_path / "streets", dataset, tmp_path) == tmp_path / "streets-ir"


def test_a_data_yaml_lends_the_name_of_its_folder(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "streets", 2)
    (tmp_path / "streets/data.yaml").write_bytes(b"")
    assert default_target(tmp_path / "streets/data.yaml", dataset, tmp_path) == tmp_path / "streets-ir"


def test_who_stands_beside_the_labels_gets_a_new_folder_there(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "streets", 2)
    here = tmp_path / "streets"
    assert default_target(here / "boxes.json", dataset, here) == here / "boxes-ir"


def test_who_stands_among_the_pictures_gets_a_folder_beside_the_dataset(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "streets", 2)
    among = (tmp_path / "streets" / dataset.images[0].place).parent
    assert default_target(tmp_path / "streets/boxes.json", dataset, among) == tmp_path / "boxes-ir"
    loose = replace(dataset, images=(msgspec.structs.replace(dataset.images[0], file=tmp_path / "streets/a.png"),))
    here = tmp_path / "streets"
    assert default_target(here / "boxes.json", loose, here) == tmp_path / "boxes-ir"


SEALED = Path("/proc")
"""Nobody can write there, not even root."""
sealed = pytest.mark.skipif(not SEALED.is_dir(), reason="this system has no folder that nobody can write to")


@sealed
def test_a_folder_that_cannot_be_written_is_passed_over(tmp_path: Path) -> None:
    dataset = hand_made(tmp_path / "streets", 2)
    source = tmp_path / "streets/boxes.json"
    assert default_target(source, dataset, SEALED) == tmp_path / "boxes-ir"
    far = replace(dataset, root=SEALED / "streets")
    assert default_target(source, far, SEALED) == tmp_path / "streets/boxes-ir"
    assert default_target(source, far, tmp_path) == tmp_path / "boxes-ir"


@sealed
def test_where_nothing_can_be_written_the_first_folder_is_named(tmp_path: Path) -> None:
    dataset = replace(hand_made(tmp_path / "streets", 2), root=SEALED / "streets")
    source = tmp_path / "streets/boxes.json"
    among = replace(dataset, protected=(tmp_path,))
    assert default_target(source, among, SEALED) == SEALED / "boxes-ir"
    assert default_target(source, replace(among, protected=(Path("/"),)), tmp_path) == tmp_path / "boxes-ir"


def test_a_target_that_is_there_is_not_passed_over(tmp_path: Path) -> None:
    """Whatever became of its rights: the same command finds the target it began."""
    dataset = hand_made(tmp_path / "streets", 2)
    here = tmp_path / "here"
    (here / "boxes-ir").mkdir(parents=True)
    (here / "boxes-ir").chmod(0o500)
    assert default_target(tmp_path / "streets/boxes.json", dataset, here) == here / "boxes-ir"
    if SEALED.is_dir():
        link = tmp_path / "sealed"
        link.mkdir()
        (link / "boxes-ir").symlink_to(SEALED)
        assert default_target(tmp_path / "streets/boxes.json", dataset, link) == link / "boxes-ir"
