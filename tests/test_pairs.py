"""Pairs: what is read of them, bad input, levels of 16-bit infrared, and how they are split."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from synthir import config as configuration
from synthir.errors import ConfigError, TrainingError, UnreadablePicture, UnsupportedPicture
from synthir.layouts import find_pairs
from synthir.pairs import Pair, PairSource, grey, read_boxes, read_infrared, read_pair, read_visible, split
from tests import tiny

FOLDERS = PairSource("folders", "visible", "infrared")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.draw_pairs(tmp_path_factory.mktemp("pairs"), 6)


def test_folders_are_paired_by_name(drawn: Path) -> None:
    pairs = find_pairs(drawn, FOLDERS)
    assert [pair.name for pair in pairs] == [f"{index:03d}.png" for index in range(6)]
    visible, infrared = read_pair(pairs[2])
    written = cv2.imread(str(drawn / "visible/002.png"))
    assert written is not None
    np.testing.assert_array_equal(visible, written[..., ::-1])
    np.testing.assert_array_equal(infrared, cv2.imread(str(drawn / "infrared/002.png"), cv2.IMREAD_GRAYSCALE))


def test_side_by_side_is_cut_in_the_middle(drawn: Path, tmp_path: Path) -> None:
    visible, infrared = read_pair(find_pairs(drawn, FOLDERS)[0])
    both = np.hstack([visible, infrared[..., None].repeat(3, axis=2)])
    cv2.imwrite(str(tmp_path / "a.png"), both[..., ::-1])
    (tmp_path / "list.txt").write_text("a.png\n", encoding="utf-8")
    (pair,) = find_pairs(tmp_path, PairSource("side-by-side", ".", names="list.txt"))
    for got in (read_pair(pair), (read_visible(pair), read_infrared(pair))):
        np.testing.assert_array_equal(got[0], visible)
        np.testing.assert_array_equal(got[1], infrared)


def test_pairs_of_two_sizes_are_refused(tmp_path: Path) -> None:
    tiny.draw_pairs(tmp_path, 1)
    cv2.imwrite(str(tmp_path / "infrared/000.png"), np.zeros((10, 20), np.uint8))
    with pytest.raises(TrainingError, match=r"000\.png: a pair of different sizes \(visible 96x96, infrared 20x10\)"):
        read_pair(find_pairs(tmp_path, FOLDERS)[0])


def test_a_grey_visible_picture_has_three_equal_planes(tmp_path: Path) -> None:
    tiny.draw_pairs(tmp_path, 1)
    plane = np.arange(96 * 96, dtype=np.uint16).reshape(96, 96).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "visible/000.png"), plane)
    visible, _ = read_pair(find_pairs(tmp_path, FOLDERS)[0])
    np.testing.assert_array_equal(visible, plane[..., None].repeat(3, axis=2))


@pytest.mark.parametrize("side", ["visible", "infrared"])
def test_a_broken_picture_is_named(tmp_path: Path, side: str) -> None:
    tiny.draw_pairs(tmp_path, 1)
    (pair,) = find_pairs(tmp_path, FOLDERS)
    broken = tmp_path / side / "000.png"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(UnreadablePicture, match=rf"SIR301 .*{side}/000\.png.* Next: "):
        read_pair(pair)
    broken.unlink()
    with pytest.raises(UnreadablePicture, match=rf"SIR301 .*{side}/000\.png: .*cannot be read \(No such file"):
        read_pair(pair)


COUNTS = np.linspace(7000, 9000, 96 * 96).reshape(96, 96)


@pytest.fixture(params=["png", "tif", "float.tif"])
def deep(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """One pair whose infrared picture has raw counts from 7000 to 9000."""
    tiny.draw_pairs(tmp_path, 1)
    (tmp_path / "infrared/000.png").unlink()
    counts = COUNTS.astype(np.float32 if "float" in request.param else np.uint16)
    name = f"000.{request.param.removeprefix('float.')}"
    Image.fromarray(counts).save(tmp_path / "infrared" / name)
    return tmp_path


def test_raw_infrared_without_levels_is_refused_with_a_proposal(deep: Path) -> None:
    (pair,) = find_pairs(deep, FOLDERS)
    with pytest.raises(ConfigError, match=r"infrared/000\..*1 % of its pixels are below 70\d\d.*levels = \[70\d\d"):
        read_pair(pair)


@pytest.mark.parametrize("levels", [(7500.0, 8500.0), (8500.0, 7500.0)])
def test_declared_levels_become_black_and_white(deep: Path, levels: tuple[float, float]) -> None:
    (pair,) = find_pairs(deep, replace(FOLDERS, levels=levels))
    counts = np.array(Image.open(pair.infrared)).astype(np.float64)
    assert abs(counts - COUNTS).max() < 1
    black, white = levels
    expected = np.rint(np.clip((counts - black) / (white - black), 0, 1) * 255)
    np.testing.assert_array_equal(read_pair(pair)[1], expected.astype(np.uint8))
    assert read_pair(pair)[1].dtype == np.uint8 and (expected.min(), expected.max()) == (0, 255)


def test_levels_work_for_eight_bits_too(drawn: Path) -> None:
    plain = read_pair(find_pairs(drawn, FOLDERS)[0])[1]
    (pair, *_) = find_pairs(drawn, replace(FOLDERS, levels=(60.0, 220.0)))
    expected = np.rint(np.clip((plain.astype(float) - 60) / 160, 0, 1) * 255)
    np.testing.assert_array_equal(read_pair(pair)[1], expected.astype(np.uint8))


def test_raw_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    tiny.draw_pairs(tmp_path, 1)
    (tmp_path / "infrared/000.png").unlink()
    Image.fromarray(np.full((96, 96), np.nan, np.float32)).save(tmp_path / "infrared/000.tif")
    with pytest.raises(UnsupportedPicture, match="not finite"):
        read_pair(find_pairs(tmp_path, replace(FOLDERS, levels=(0.0, 1.0)))[0])


def test_colour_of_16_bits_is_no_infrared(tmp_path: Path) -> None:
    tiny.draw_pairs(tmp_path, 1)
    cv2.imwrite(str(tmp_path / "infrared/000.png"), np.full((96, 96, 3), 8000, np.uint16))
    with pytest.raises(UnsupportedPicture, match="several planes of 16 bits"):
        read_pair(find_pairs(tmp_path, replace(FOLDERS, levels=(0.0, 1.0)))[0])


def test_raw_halves_take_levels(tmp_path: Path) -> None:
    both = np.full((16, 32), 0x4000, np.uint16)
    both[:, 16:] = np.linspace(7000, 9000, 16).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), both)
    visible, infrared = read_pair(find_pairs(tmp_path, PairSource("side-by-side", ".", levels=(7000.0, 9000.0)))[0])
    assert (visible == 0x40).all()
    np.testing.assert_array_equal(infrared[0], np.rint((both[0, 16:].astype(float) - 7000) / 2000 * 255))


def test_a_source_is_read_from_toml_with_its_levels() -> None:
    text = 'layout = "llvip"\nvisible = "LLVIP"\npart = "train"\nlevels = [7000, 9000.5]\n'
    source = configuration.parse(text, PairSource)
    assert source == PairSource("llvip", "LLVIP", part="train", levels=(7000.0, 9000.5))
    assert configuration.parse(configuration.dump(source), PairSource) == source
    with pytest.raises(ConfigError, match="levels are both 5"):
        configuration.parse('layout = "llvip"\nvisible = "a"\nlevels = [5, 5]', PairSource)
    with pytest.raises(ConfigError, match=r"layout is 'lvip', expected one of folders, .*llvip.*osu"):
        configuration.parse('layout = "lvip"\nvisible = "a"', PairSource)


def test_grey_is_the_mean_of_the_planes() -> None:
    assert grey(np.array([[[10, 11, 14]]], np.uint8)).item() == 12


def test_boxes_are_found_by_place_and_by_a_name_that_is_clear(tmp_path: Path) -> None:
    for place in ("a/0.png", "b/0.png", "a/1.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / place), np.zeros((8, 8, 3), np.uint8))
    images = ", ".join(
        f'{{"id": {n}, "file_name": "{place}", "width": 8, "height": 8}}'
        for n, place in enumerate(("a/0.png", "b/0.png", "a/1.png"))
    )
    boxes = ", ".join(
        f'{{"id": {n}, "image_id": {n}, "category_id": 1, "bbox": [{n}, 0, 2, 2], "area": 4, "iscrowd": 0}}'
        for n in range(3)
    )
    coco = f'{{"images": [{images}], "annotations": [{boxes}], "categories": [{{"id": 1, "name": "person"}}]}}'
    (tmp_path / "boxes.json").write_text(coco, encoding="utf-8")
    found = read_boxes(tmp_path, replace(FOLDERS, boxes="boxes.json", boxes_images="."))
    one, two, three = [(0.0, 0.0, 2.0, 2.0)], [(1.0, 0.0, 2.0, 2.0)], [(2.0, 0.0, 2.0, 2.0)]
    assert found == {"a/0.png": one, "b/0.png": two, "a/1.png": three, "1.png": three}


def pairs_of(*scenes: str) -> list[Pair]:
    """One pair a scene, in this order."""
    return [Pair(f"{n}.png", Path(f"v/{n}.png"), Path(f"i/{n}.png"), scene=scene) for n, scene in enumerate(scenes)]


def names(pairs: list[Pair]) -> str:
    """Their numbers."""
    return "".join(pair.name[0] for pair in pairs)


def test_whole_blocks_validate() -> None:
    training, validation = split(pairs_of(*"aaaaaaa"), "blocks", block=2, every=3)
    assert (names(training), names(validation)) == ("01236", "45")


@pytest.mark.parametrize(("every", "held"), [(2, "2367"), (3, "45"), (4, "67"), (9, "67")])
def test_whole_scenes_validate(every: int, held: str) -> None:
    training, validation = split(pairs_of("a", "a", "b", "b", "c", "c", "d", "d"), "scenes", block=1, every=every)
    assert names(validation) == held
    assert names(training) == "".join(n for n in "01234567" if n not in held)


@pytest.mark.parametrize(("scenes", "why"), [("aaa", "one scene only, a"), (("a", ""), "have no scene"), ((), "scene")])
def test_without_two_scenes_nothing_is_split(scenes: tuple[str, ...], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        split(pairs_of(*scenes), "scenes", block=1, every=2)
