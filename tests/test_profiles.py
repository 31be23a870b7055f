"""Build profiles: the shipped ones say what they mean, and nonsense is refused by name."""

from pathlib import Path

import pytest

from synthir import config
from synthir.errors import ConfigError, UnknownName
from synthir.folders import names
from synthir.profiles import ANY, BuildProfile, profile_of, profiles, read_profile
from synthir.specs import BARS, Precision


@pytest.mark.parametrize("path", profiles().values(), ids=profiles())
def test_a_shipped_profile_can_be_read_and_gives_reasons(path: Path) -> None:
    profile = config.load(path, BuildProfile)
    assert profile.backend in names("synthir.backends")
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# synthir compile cascade-lwir-s --profile {path.stem} --out cascade.")
    values = [line for line in text.splitlines() if "=" in line and not line.startswith(("#", "backend"))]
    assert values and all("  #" in line for line in values)


def test_every_backend_has_a_profile_of_its_own() -> None:
    assert {profile_of(backend).backend for backend in names("synthir.backends")} == set(names("synthir.backends"))
    assert profile_of("tensorrt") == read_profile("tensorrt_fp16")


def test_ranges_are_multiples_of_the_stride() -> None:
    profile = BuildProfile("tensorrt", batch=(1, 4, 8), height=(50, 500, 1000), width=ANY)
    assert profile.ranges(64) == {"batch": (1, 4, 8), "height": (64, 512, 1024)}
    assert profile.ranges(32)["height"] == (32, 512, 1024)


def test_a_profile_may_ask_for_more_than_the_rule_and_not_for_less() -> None:
    strict = BuildProfile("openvino", least_psnr_db=70.0, most_grey_levels=1.5)
    assert (strict.bar(Precision.FLOAT16).psnr_db, strict.bar(Precision.FLOAT16).grey_levels) == (70.0, 1.5)
    lax = BuildProfile("openvino", least_psnr_db=1.0)
    assert lax.bar(Precision.FLOAT16) == BARS[Precision.FLOAT16]
    assert (BARS[Precision.FLOAT16].psnr_db, BARS[Precision.FLOAT16].grey_levels) == (50.0, 2.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('backend = "tensorrt"\nheight = [512, 256, 1024]', "least <= usual <= most"),
        ('backend = "tensorrt"\nbatch = [4, 8, 16]', "expected 1"),
        ('backend = "tensorrt"\nbucket = -1', "bucket"),
        ('backend = "tensorrt"\nheigth = [1, 2, 3]', "height"),
    ],
)
def test_nonsense_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_profile(str(tmp_path / "mine.toml"))


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="nearest is tensorrt_fp16"):
        read_profile("tensorrt_f16")
