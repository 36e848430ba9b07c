"""AIM with its authors' block in the place of ours, as a straight transcription computes it."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stillmotion.methods.aim import AIMBlock
from stillmotion.model import VideoClassifier
from stillmotion.shapes import Tokens


def with_authors_block(model: VideoClassifier) -> VideoClassifier:
    """An AIM of the same weights in its authors' form, whose logits are checked to be the same.

    The trained matrices of both become random: at first adapters are silent.
    """
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.02)
    authors = copy.deepcopy(model)
    authors.trunk.blocks = nn.ModuleList(AuthorsBlock(block) for block in authors.trunk.blocks)
    clip = torch.rand(1, model.num_frames, 3, *model.backbone.image_size)
    with torch.no_grad():
        torch.testing.assert_close(authors.eval()(clip), model.eval()(clip), rtol=1e-4, atol=1e-4)
    return authors


class AuthorsBlock(nn.Module):
    """AIM's block as the form of it for ImageNet backbones computes it, with our block's weights.

    Frames are folded into the batch; tokens are rearranged, which copies them, into sequences of
    frames and back; attention is products and an explicit softmax; drop path drops frames.
    Source: taoyang1122/adapt-image-models at b3580d2, `vit_imagenet.py`.
    """

    def __init__(self, ours: AIMBlock) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, x: Tokens) -> Tokens:
        ours, block = self.ours, self.ours.frozen.block
        batch, num_frames, num_tokens, dim = x.shape
        x = x.reshape(batch * num_frames, num_tokens, dim)
        over_time = x.reshape(batch, num_frames, num_tokens, dim).transpose(1, 2)
        over_time = over_time.reshape(batch * num_tokens, num_frames, dim)
        over_time = ours.temporal(self.attention(block.norm1(over_time)))
        over_time = over_time.reshape(batch, num_tokens, num_frames, dim).transpose(1, 2)
        x = x + ours.drop_path(over_time.reshape(batch * num_frames, num_tokens, dim))
        x = x + ours.spatial(self.attention(block.norm1(x)))
        z = block.norm2(x)
        x = x + block.mlp(z) + ours.drop_path(ours.scale * ours.joint(z))
        return x.reshape(batch, num_frames, num_tokens, dim)

    def attention(self, x: Float[Tensor, "S L C"]) -> Float[Tensor, "S L C"]:
        """The frozen attention within S sequences of L tokens."""
        frozen = self.ours.frozen.block.attn
        sequences, length, dim = x.shape
        heads = frozen.qkv(x).reshape(sequences, length, 3, frozen.num_heads, -1)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        attention_map = ((q @ k.transpose(-2, -1)) * frozen.scale).softmax(dim=-1)
        return frozen.proj((attention_map @ v).transpose(1, 2).reshape(sequences, length, dim))
