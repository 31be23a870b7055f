"""What a training is told: the fields of a TOML for `synthir train`, each with its default and its unit."""

from dataclasses import dataclass, field

from .config import at_least
from .pairs import Augmentation, PairSource
from .specs import Band


@dataclass(frozen=True)
class Weights:
    """How much each loss term counts."""

    l1: float = 1.0
    """L1 on the raw picture, hot places weighted."""
    aligned: float = 2.0
    """L1 after a bounded gain and offset per picture, hot places weighted."""
    structure: float = 1.0
    """1 - SSIM of the aligned picture."""
    gradient: float = 2.0
    """L1 of the aligned picture's differences."""
    adversarial: float = 0.1
    features: float = 1.0
    """Feature matching through the discriminator."""
    hot: float = 4.0
    """Extra weight of a pixel 3 standard deviations above the mean of its real picture."""
    stages: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Weight of each stage's own result, the last stage last."""


@dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    generator: str
    """A named size, e.g. `cascade_s`."""
    band: Band
    sources: tuple[PairSource, ...]
    steps: int = 10_000
    batch: int = 8
    learning_rate: float = 4e-4
    """Of Adam, for generator and discriminator; warmed up, then cosine to a hundredth."""
    warmup: int = 200
    """Steps until the learning rate is reached."""
    ema: float = 0.999
    """Decay of the averaged weights, which are the ones shipped."""
    clip: float = 1.0
    """Largest gradient norm."""
    bfloat16: bool = True
    """Forward passes in bfloat16; weights, losses and optimiser stay float32."""
    discriminator_width: int = 24
    block: int = 16
    """Consecutive frames that validate together."""
    validate_share: int = 12
    """Each n-th block validates."""
    validate_most: int = 24
    """About so many pictures of a source validate, and all that have boxes."""
    save_every: int = 250
    """Steps between saved states and validations."""
    weights: Weights = field(default_factory=Weights)
    finish_from: int = 0
    """Step from which on `finish` counts and not `weights`; 0 is never."""
    finish: Weights = field(default_factory=Weights)
    """Loss weights of the last steps: less adversarial, and what was made up along the way is smoothed out again."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    def weights_at(self, step: int) -> Weights:
        """The loss weights of a step, counted from 0."""
        return self.finish if self.finish_from and step >= self.finish_from else self.weights

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, batch=self.batch, save_every=self.save_every, block=self.block)
        at_least(1, validate_most=self.validate_most, discriminator_width=self.discriminator_width)
        at_least(2, validate_share=self.validate_share)
        at_least(
            0,
            finish_from=self.finish_from,
            warmup=self.warmup,
            learning_rate=self.learning_rate,
            ema=self.ema,
            clip=self.clip,
        )
