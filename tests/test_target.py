"""Where a conversion goes when nobody says."""

from dataclasses import replace
from pathlib import Path

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
    loose = replace(dataset, images=(replace(dataset.images[0], file=tmp_path / "streets/a.png"),))
    here = tmp_path / "streets"
    assert default_target(here / "boxes.json", loose, here) == tmp_path / "boxes-ir"
