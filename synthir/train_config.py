"""What a training is told: the fields of a TOML for `synthir train`, each with its default and its unit."""

from dataclasses import dataclass, field, fields
from typing import Literal

from .config import at_least, below, refuse
from .pairs import PairSource
from .sampling import Augmentation
from .specs import Band

Direction = Literal["visible-to-infrared", "infrared-to-visible"]


@dataclass(frozen=True)
class Weights:
    """How much each loss term counts; 0 is not computed. Formulas and sources: docs/guides/objectives.md."""

    l1: float = 1.0
    """On the raw picture, hot places weighted."""
    aligned: float = 2.0
    """L1 after a bounded gain and offset per picture, hot places weighted."""
    structure: float = 1.0
    """1 - SSIM of the aligned picture, uniform window."""
    gradient: float = 2.0
    """L1 of the aligned picture's differences."""
    adversarial: float = 0.1
    features: float = 1.0
    """Feature matching through the discriminator."""
    charbonnier: float = 0.0
    gain_invariant: float = 0.0
    """L1 after the best gain, of either sign, and offset per picture."""
    ssim: float = 0.0
    """1 - SSIM, Gaussian window, of the raw picture."""
    ms_ssim: float = 0.0
    sobel: float = 0.0
    """L1 of Sobel edges."""
    intensity: float = 0.0
    perceptual: float = 0.0
    """VGG-19 features; needs `vgg19`."""
    total_variation: float = 0.0
    temporal: float = 0.0
    """Between neighbouring frames of a video, warped by flow."""
    cycle: float = 0.0
    """There and back again; system `cycle`."""
    identity: float = 0.0
    """What is infrared already stays; system `cycle`."""
    hot: float = 4.0
    """Not a term: extra weight of pixels around what is 3 standard deviations above the mean of its real picture."""
    stages: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Not a term: weight of each stage's own result, the last stage last; (1.0,) for a generator of one stage."""

    def __post_init__(self) -> None:
        at_least(0, hot=self.hot, **{f"stages[{number}]": weight for number, weight in enumerate(self.stages)})
        at_least(0, **self.terms())

    def terms(self) -> dict[str, float]:
        """The weight of each term by its name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("hot", "stages")}


@dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    band: Band
    sources: tuple[PairSource, ...] = (PairSource("folders", "visible", "infrared"),)
    """What is trained on; without any, the folders `visible` and `infrared` of the data."""
    generator: str = ""
    """A named size, e.g. `cascade_s`; empty takes the network of `start`."""
    system: str = "paired"
    """How it is trained: a file of synthir/systems."""
    direction: Direction = "visible-to-infrared"
    start: str = ""
    """Shipped model or model folder whose weights it starts from; layers that do not fit start fresh."""
    steps: int = 10_000
    batch: int = 8
    """Pictures a step, over all processes."""
    learning_rate: float = 4e-4
    """Of Adam, for every network; warmed up, then cosine to a hundredth."""
    betas: tuple[float, float] = (0.5, 0.99)
    """Of Adam."""
    warmup: int = 200
    """Steps until the learning rate is reached."""
    ema: float = 0.999
    """Decay of the averaged weights, which are the ones shipped."""
    clip: float = 1.0
    """Largest gradient norm."""
    bfloat16: bool = True
    """Forward passes in bfloat16; weights, losses and optimiser stay float32."""
    discriminator: Literal["light", "published"] = "light"
    """`published` is the 70x70 PatchGAN of pix2pix, `light` a narrower one."""
    discriminator_width: int = 24
    """Channels of the light one's first layer."""
    discriminator_norm: Literal["spectral", "batch", "instance", "none"] = "spectral"
    adversary: Literal["hinge", "bce", "lsgan", "wgan-gp"] = "hinge"
    """The adversarial loss."""
    pool: int = 0
    """Made pictures remembered for the discriminators of system `cycle`; 50 as published."""
    vgg19: str = ""
    """File with the weights of VGG-19 or VGG-16, for the term `perceptual`."""
    vgg_layer: str = ""
    """Of it, the layer that is looked at, e.g. `conv4_3`; empty is its last convolution."""
    balance: bool = False
    """Divide each term by the running mean of its size, so that the weights alone say what it counts."""
    split: Literal["blocks", "scenes"] = "blocks"
    """What validates together: blocks of consecutive frames, or whole scenes."""
    block: int = 16
    """Consecutive frames that validate together; fewer where a source has too few for one such block to validate."""
    validate_share: int = 12
    """Each n-th block or scene validates; nothing of a source with fewer pictures than this."""
    validate_most: int = 24
    """About so many pictures of a source validate, and all that have boxes."""
    allow_shared_scenes: bool = False
    """Train and validate although near duplicates of validation pictures are trained on."""
    save_every: int = 250
    """Steps between saved states and validations."""
    sheet_every: int = 0
    """Steps between sheets of visible | real | synthetic; 0 writes none."""
    best: str = ""
    """Validation figure, more is better, e.g. `roadscene_ssim`: the model that was best in it is kept as `best/`."""
    patience: int = 0
    """Validations in a row without a better `best` figure that end the training; 0 never does."""
    tensorboard: bool = False
    """Write the log for TensorBoard too."""
    weights: Weights = field(default_factory=Weights)
    finish_from: int = 0
    """Step from which on `finish` counts and not `weights`; 0 is never."""
    finish: Weights = field(default_factory=Weights)
    """Loss weights of the last steps: less adversarial, and what was made up along the way is smoothed out again."""
    stages_from: tuple[int, ...] = ()
    """Steps at which each stage's turn begins, the others resting; from `joint_from` all learn. Empty: all at once."""
    joint_from: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def weights_at(self, step: int) -> Weights:
        """The loss weights of a step, counted from 0."""
        return self.finish if self.finish_from and step >= self.finish_from else self.weights

    def stage_at(self, step: int) -> int | None:
        """The one stage, counted from 0, that learns at a step; None where all do."""
        if not self.stages_from or step >= self.joint_from:
            return None
        return max(sum(step >= first for first in self.stages_from) - 1, 0)

    def uses(self, term: str) -> bool:
        """Whether a term counts at any step."""
        later = self.finish.terms()[term] if self.finish_from else 0.0
        return self.weights.terms()[term] > 0 or later > 0

    def __post_init__(self) -> None:
        places = {"finish_from": self.finish_from, "warmup": self.warmup, "joint_from": self.joint_from}
        rates = {"learning_rate": self.learning_rate, "ema": self.ema, "clip": self.clip}
        counts = {"sheet_every": self.sheet_every, "patience": self.patience, "pool": self.pool}
        known = ("generator is missing, and there is no start to take it from", bool(self.generator or self.start))
        figure = ("patience waits for a figure: name it in best", not self.patience or bool(self.best))
        file = (
            "the term perceptual needs vgg19, the file of its weights",
            bool(self.vgg19) or not self.uses("perceptual"),
        )
        alone = (
            "wgan-gp judges each picture alone: discriminator_norm cannot be batch",
            self.adversary != "wgan-gp" or self.discriminator_norm != "batch",
        )
        refuse(
            *below(1, steps=self.steps, batch=self.batch, save_every=self.save_every, block=self.block),
            *below(1, validate_most=self.validate_most, discriminator_width=self.discriminator_width),
            *below(2, validate_share=self.validate_share),
            *below(0, **places, **rates, **counts),
            *(said for said, good in (known, figure, file, alone) if not good),
        )
