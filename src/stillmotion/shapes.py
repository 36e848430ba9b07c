"""Names for the shapes that cross function boundaries.

B clips, T frames, N tokens a frame (P prefix tokens, then H x W patches), C channels;
h heads of d = C / h channels; r hidden channels of an adapter; K classes; V branches that vote.

The one law: between frames and logits everything is (B, T, N, C). The frame axis is never folded
into the batch across a function boundary.
"""

from jaxtyping import Float, Int, UInt8
from torch import Tensor

Clip = Float[Tensor, "B T 3 height width"] | UInt8[Tensor, "B T 3 height width"]
"""RGB frames: uint8, or float in [0, 1]."""

NormalisedClip = Float[Tensor, "B T 3 height width"]
"""Frames from which the backbone's mean was subtracted, divided by its standard deviation."""

Frames = UInt8[Tensor, "T 3 height width"]
"""Decoded RGB frames of one video."""

Tokens = Float[Tensor, "B T N C"]
"""What is computed of every frame: prefix tokens first, then patches."""

FrameFeatures = Float[Tensor, "B T C"]
"""What a frozen image model makes of each frame as a whole."""

Heads = Float[Tensor, "*lead h N d"]
"""Queries, keys or values, one matrix a head."""

Reach = tuple[int, int] | None
"""How many frames (back, ahead) what a block makes of a frame depends on; None: on all."""

Flow = Float[Tensor, "B T N F"]
"""Attention-map flow: F numbers for every token of every frame."""

Logits = Float[Tensor, "B K"]
"""Class scores before the softmax."""

Labels = Int[Tensor, " B"]
"""Indices of classes."""

SoftLabels = Float[Tensor, "B K"]
"""How much of each class there is in a clip; sums to 1."""
