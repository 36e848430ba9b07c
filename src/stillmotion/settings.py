"""What a run can be told of its videos, its training and its test: the parts of a recipe."""

from dataclasses import dataclass, field, replace
from typing import Literal

from stillmotion.data.crops import NUM_CROPS, Interpolation
from stillmotion.data.indices import Spread
from stillmotion.errors import ConfigurationError
from stillmotion.fields import check_types, within

Precision = Literal["fp32", "bf16", "int8"]
"""In what a model answers. fp32: as it is. bf16: matrix products of bfloat16 numbers, quick on GPUs
and on CPUs with AMX. int8: linear maps in eight bits, on the CPU; quick without AMX, too."""

MEMORY_GIB = 2.0
"""What the tensors of the clips that a model is shown at once may take where nothing else is said;
about 30 clips of 8 frames through ViT-B."""


@dataclass(frozen=True, kw_only=True)
class Videos:
    """How videos are found, split and read."""

    root: str | None = None
    """Folder to which the paths of a list are relative; by default the list's own."""
    classes: str | None = None
    """File with the class names in the order of their indices; by default sorted."""
    columns: dict[str, str] = field(default_factory=dict)
    """Names of a list's columns where they are not path, label, start, end, group, split."""
    exclude: tuple[str, ...] = ()
    """Labels to leave out."""
    test: str = "test"
    """The split (or fold) to test on; kept away from training."""
    val: str = "val"
    """The split (or fold) that chooses the best epoch."""
    val_fraction: float = 0.15
    """Where there is no validation split: the part of the training videos that becomes one. Videos
    of a group stay together. 0: none; the last epoch is then the best."""
    keep_frames: int = 0
    """Decode each video once into memory and keep this many evenly spaced frames, from which clips
    are drawn; 0: decode in every epoch. For small sets."""
    keep_gib: float = 4.0
    """The most memory that kept frames may take."""
    cache: str | None = None
    """Folder for decoded frames at the training resolution: each video is decoded in the first
    epoch alone, or in the first run that uses the folder. For sets that fit into it."""
    cache_gib: float = 20.0
    """The most disk space that the folder may take; what finds no room is decoded in each epoch."""
    workers: int = 2
    """Processes that decode and augment."""
    shots: int = 0
    """Few-shot learning: train on this many videos of each class; 0: on all. No validation videos
    are then held out: the last epoch counts, unless the list has a validation split."""
    ways: int = 0
    """Take this many classes, drawn at random, for training and test; 0: all."""
    episode: int = 0
    """Which draw of shots and ways; runs that share it share their videos, whatever the seed."""
    drop_empty: bool = False
    """Leave out classes without a training video, such as those of a part of a known data set."""
    allow_overlap: bool = False
    """Go on where a test video is among the training videos."""
    max_unreadable: float = 0.05
    """Stop where more than this part of the videos cannot be read; fewer are counted and listed."""

    def __post_init__(self) -> None:
        check_types(self, "videos")
        within(self, "val_fraction", "max_unreadable", least=0, most=1)
        counts = ("keep_frames", "keep_gib", "cache_gib", "workers", "shots", "ways", "episode")
        within(self, *counts, least=0)


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the weights are found."""

    epochs: int = 20
    cache_clips: int = 0
    """For what reads a frozen model (linear_probe, temporal_probe, attentive_probe, amflow's side
    form): compute its features of this many random clips of each training video once, and train on
    them in turn; 0: compute them anew in every epoch."""
    batch_size: int = 8
    """Clips in a batch of one process: several have so many times more together."""
    accumulate: int = 1
    """Batches whose gradients are added up before a step."""
    learning_rate: float = 2e-3
    """Peak rate for `reference_batch` clips a step."""
    reference_batch: int = 8
    """With n times the clips a step (batch_size x accumulate x processes) the rate is scaled."""
    scaling: Literal["sqrt", "linear", "none"] = "sqrt"
    """By the square root of n, which suits AdamW (Malladi et al., arXiv 2205.10287), or by n."""
    backbone_rate: float = 1.0
    """Factor of the rate of all that trains outside the head: 0.1 in AIM and ZeroI2V with ViT-L."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """sgd: with momentum 0.9, as AdaptFormer; the others use AdamW."""
    weight_decay: float = 0.01
    decay: Literal["matrices", "no_norm", "no_bias", "all"] = "matrices"
    """What decays: tensors of two and more dimensions; all but norms (AIM, ZeroI2V); all but biases
    (ST-Adapter); everything that trains (DualPath, and AIM with ViT-L)."""
    warmup: float = 0.1
    """Part of the steps over which the rate rises; then it falls to 0 as a cosine."""
    warmup_start: float = 0.0
    """Fraction of the peak that the rise begins from: 0.1 in AIM and ZeroI2V."""
    clip_norm: float = 1.0
    """Longest gradient; 0: any."""
    label_smoothing: float = 0.0
    class_weights: Literal["none", "balanced", "effective"] = "none"
    """balanced: rare classes count more, in inverse proportion to their videos; effective: likewise
    but less so where videos are many (Cui et al., arXiv 1901.05555)."""
    draw: Literal["each", "balanced"] = "each"
    """each: every video once an epoch; balanced: as many draws, every class as often."""
    save_every: int = 0
    """Save the state inside epochs, too, after each so many batches: a stopped run then goes on at
    that batch; 0: after each epoch alone."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: bf16 where the GPU has it, else fp32."""
    deterministic: bool = False
    """Use only algorithms that give the same bits each time, which may be slower on a GPU; on a CPU
    there are no others."""
    checkpoint_blocks: bool = False
    """Keep nothing inside the blocks for the backward, and compute it there again: a fraction of
    the memory for about a third more time, and the same result."""
    shard_backbone: bool = False
    """Divide the frozen weights of the blocks among the processes, for image models that a device
    cannot hold: each block is gathered whenever it runs, and the result is the same."""
    compile: bool = False
    """Compile the step of full batches: it takes minutes at the start, and on a CPU a C++ compiler.
    On a CPU it brought nothing; on a GPU it was not measured."""
    best: Literal["loss", "top1", "mean_class"] = "loss"
    """What makes an epoch the best: the lowest validation loss, which tells epochs apart even where
    validation videos are few, or the highest accuracy."""
    patience: int = 0
    """Stop after this many epochs without a better one; 0: never."""

    def __post_init__(self) -> None:
        check_types(self, "training")
        within(self, "epochs", "batch_size", "accumulate", "reference_batch", least=1)
        rates = (
            "learning_rate",
            "backbone_rate",
            "weight_decay",
            "clip_norm",
            "patience",
            "cache_clips",
            "save_every",
        )
        within(self, *rates, least=0)
        within(self, "warmup", "warmup_start", "label_smoothing", least=0, most=1)


@dataclass(frozen=True, kw_only=True)
class Views:
    """Which (clip, crop) pairs of a video are averaged at test."""

    clips: int = 1
    crops: int = 1
    """1: the middle; 3: along the longer side; 10: the corners, the middle and their mirror images,
    only where no class is another one in a mirror."""
    spread: Spread = "ends"
    """Where dense clips begin: three of them at 0, 1/2 and 1 of the frames to spare (ends), at 1/6,
    3/6 and 5/6 (middles: MMAction2), or at 0, 1/3 and 2/3 (starts: DualPath, crops likewise)."""
    short_side: int | None = None
    """Resize the shorter side to this before cropping; None: to the image size."""
    interpolation: Interpolation = "bilinear"
    """Between pixels, where frames are resized."""
    average: Literal["probabilities", "logits"] = "probabilities"
    """What is averaged over the views."""

    def __post_init__(self) -> None:
        check_types(self, "views")
        within(self, "clips", least=1)
        if self.short_side is not None:
            within(self, "short_side", least=1)
        if self.crops not in NUM_CROPS:
            raise ConfigurationError(f"views.crops cannot be {self.crops}: it is 1, 3 or 10")

    def single(self) -> "Views":
        """The same way of looking, with one clip and one crop."""
        return replace(self, clips=1, crops=1)
