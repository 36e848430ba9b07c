"""The published configurations, from the authors' pages and papers; nothing here is ours.

Sources: the READMEs and configurations of taoyang1122/adapt-image-models at b3580d2,
MCG-NJU/ZeroI2V at f091983 and leexinhao/ZeroI2V at ce04d8b, linziyi96/st-adapter at b914b38,
park-jungin/DualPath at cc90924 and ShoufaChen/AdaptFormer at 6967d67; the papers arXiv 2310.01324
(ZeroI2V, its UCF101 and HMDB51) and 2411.02065 (AM Flow); for DualPath's accuracies paperswithcode.
"""

from typing import Any, Literal

from stillmotion.methods import AIM, AdaptFormer, AMFlow, DualPath, STAdapter, ZeroI2V
from stillmotion.paper_figures import BACKBONE, PAPER_ROWS, PaperRow
from stillmotion.published.entry import Entry, Publication

Size = Literal["B/16", "L/14"]

CLIP: dict[Size, str] = {
    "B/16": "vit_base_patch16_clip_quickgelu_224.openai",
    "L/14": "vit_large_patch14_clip_quickgelu_224.openai",
}
VIT = "vit_base_patch16_224"
VIDEOMAE = {"class_token": False, "pos_embed": "none", "global_pool": "avg", "in_chans": 6}
"""Makes a VideoMAE of timm's ViT: tubelets of two frames. (Its keys have no bias; timm's have.)"""


def on_clip(size: Size, **facts: Any) -> Entry:
    """An entry whose image model is OpenAI's CLIP."""
    return Entry(label=size, backbone=CLIP[size], **facts)


def aim(size: Size, num_frames: int, **facts: Any) -> Entry:
    """AIM with three adapters; the README prints rounded parameters, the same for all."""
    trained, parameters = (11, 97) if size == "B/16" else (38, 341)
    facts = {"data": "K400", "num_clips": 3, "trained": trained, "parameters": parameters} | facts
    return on_clip(size, method=AIM(), num_frames=num_frames, **facts)


AIM_3 = Publication(
    title="AIM, three adapters a block, on CLIP",
    note="README. * 2902 is taken for a misprint of 2802: half of the 5604 of twice the frames.",
    entries=(
        aim("B/16", 8, multiply_adds=606, top1=0.839, top5=0.963),
        aim("B/16", 16, multiply_adds=1214, top1=0.845, top5=0.966),
        aim("B/16", 32, multiply_adds=2428, top1=0.847, top5=0.967),
        aim("L/14", 8, multiply_adds=2902, top1=0.868, top5=0.972, misprints=("multiply_adds",)),
        aim("L/14", 16, multiply_adds=5604, top1=0.873, top5=0.976),
        aim("L/14", 32, multiply_adds=11208, top1=0.875, top5=0.977),
        aim("B/16", 32, data="K700", num_crops=3, multiply_adds=7284, top1=0.769),
        aim("L/14", 32, data="K700", num_crops=3, multiply_adds=33624, top1=0.804),
        aim("B/16", 32, data="Diving48", num_clips=1, multiply_adds=809, top1=0.889),
        aim("L/14", 32, data="Diving48", num_clips=1, multiply_adds=3736, top1=0.906),
    ),
)

AIM_4 = Publication(
    title="AIM, four adapters a block, on CLIP",
    note="Configurations; the README has no figures of Something-Something.",
    entries=tuple(
        on_clip(
            size, method=AIM(adapters=4, scale=1.0), data="SSv2", num_frames=frames, num_crops=3
        )
        for size in CLIP
        for frames in (8, 16, 32)
    ),
)


def zeroi2v(size: Size, num_frames: int, method: ZeroI2V, **facts: Any) -> Entry:
    """ZeroI2V, whose authors print figures of the merged model."""
    parameters = 86 if size == "B/16" else 304
    facts = {"data": "K400", "num_clips": 3, "parameters": parameters} | facts
    return on_clip(size, method=method, merged=True, num_frames=num_frames, **facts)


NEIGHBOURS_B = ZeroI2V()
NEIGHBOURS_L = ZeroI2V(divisors=(8, 8))
TWO_BACK_L = ZeroI2V(offsets=(-1, 1, -2), divisors=(8, 8, 8))
SSV2_B = ZeroI2V(offsets=(-1, 1, -2, 2), divisors=(12, 12, 12, 12), scale=1.0)
SSV2_L = ZeroI2V(offsets=(-1, 1, -2, 2, -3), divisors=(8, 8, 16, 16, 16), scale=1.0)
SSV2: dict[str, Any] = {"data": "SSv2", "num_clips": 1, "num_crops": 3}
SWAPPED: dict[str, Any] = {"misprints": ("views",)}
UNKNOWN: dict[str, Any] = {"num_clips": 1, "unsaid": ("views",), "parameters": None}

ZEROI2V = Publication(
    title="ZeroI2V on CLIP; all parameters and multiply-adds of the merged model",
    note="READMEs; UCF101 and HMDB51: the paper, means of three splits. * The README has clips and "
    "crops the other way round (8x1x3, 32x3x1); here as in the configurations. ? Frames and views "
    "are not known to us: ours are a guess. Trained: while there are adapters; merging leaves none "
    "and adds none, which the README prints as 0 new parameters.",
    entries=(
        zeroi2v("B/16", 8, NEIGHBOURS_B, multiply_adds=422, top1=0.830, **SWAPPED),
        zeroi2v("L/14", 8, NEIGHBOURS_L, multiply_adds=1946, top1=0.863, **SWAPPED),
        zeroi2v("L/14", 32, TWO_BACK_L, multiply_adds=7783, top1=0.872, top5=0.976, **SWAPPED),
        zeroi2v("B/16", 8, SSV2_B, multiply_adds=422, top1=0.677, **UNKNOWN | SSV2),
        zeroi2v("L/14", 32, SSV2_L, multiply_adds=7783, top1=0.722, top5=0.930, **SWAPPED | SSV2),
        zeroi2v("L/14", 32, TWO_BACK_L, data="UCF101", top1=0.986, **UNKNOWN),
        zeroi2v("L/14", 32, TWO_BACK_L, data="HMDB51", top1=0.834, **UNKNOWN),
    ),
)


def st_adapter(label: str, method: STAdapter, **facts: Any) -> Entry:
    """ST-Adapter, told apart by the number and the width of its adapters."""
    return Entry(label=label, backbone=CLIP["B/16"], method=method, num_frames=8, **facts)


ST_ADAPTER = Publication(
    title="ST-Adapter on CLIP B/16",
    note="README (reproduced with the released code). One of the adapters, before the last MLP, "
    "is trained and cannot reach the logits.",
    entries=(
        st_adapter("12x384", STAdapter(), data="K400", num_clips=3, top1=0.822),
        st_adapter("24x384", STAdapter(placement="both"), data="SSv2", num_crops=3, top1=0.669),
    ),
)


def dualpath(size: Size, data: str, **facts: Any) -> Entry:
    """DualPath with the frames of its code and, for Kinetics, its views."""
    return on_clip(size, method=DualPath(), data=data, num_frames=16, unsaid=("views",), **facts)


DUALPATH = Publication(
    title="DualPath on CLIP",
    note="Accuracies as listed by paperswithcode. ? Their frames and views are not known to us: "
    "16 frames, and three clips of Kinetics, are the code's. CLIP's projection (0.4 and 0.8 M) "
    "is no parameter of ours.",
    entries=(
        dualpath("B/16", "K400", num_clips=3, top1=0.854, top5=0.971),
        dualpath("L/14", "K400", num_clips=3, top1=0.877, top5=0.978),
        dualpath("B/16", "HMDB51", top1=0.756),
        dualpath("B/16", "Diving48", top1=0.887),
    ),
)


def adaptformer(label: str, **facts: Any) -> Entry:
    """AdaptFormer-64 on clips of 8 frames."""
    return Entry(label=label, backbone=VIT, num_frames=8, **facts)


VIDEO: dict[str, Any] = {
    "method": AdaptFormer.video(),
    "arguments": VIDEOMAE,
    "num_clips": 4,
    "num_crops": 3,
}

ADAPTFORMER = Publication(
    title="AdaptFormer-64 on ViT-B/16",
    note="Code; the repository has no figures. Video: on VideoMAE, whose tokens span two frames. "
    "Image: the authors' image model, ? frame by frame on clips, which is others' baseline.",
    entries=(
        adaptformer("image", method=AdaptFormer(), data="SSv2", unsaid=("views",)),
        adaptformer("video", data="SSv2", **VIDEO),
        adaptformer("video", data="HMDB51", **VIDEO),
    ),
)


def am_flow(row: PaperRow) -> Entry:
    """A row of AM Flow's tables; the image model has 86 million parameters."""
    return Entry(
        label=row.tpm,
        data=row.data,
        backbone=BACKBONE,
        method=AMFlow.paper(row.tpm),
        num_frames=row.num_frames,
        num_crops=row.views,
        parameters=86 + row.linear + row.align + row.temporal,
        multiply_adds=round(1000 * row.tera_flops),
        top1=row.top1,
        top5=row.top5,
        unsaid=("multiply_adds",),
    )


AM_FLOW = Publication(
    title="AM Flow, the paper preset, on DINOv2 B/14",
    note="Paper; the preset is a fit to its sizes (stillmotion info --preset paper has them part "
    "by part), which the LSTM's do not follow. ? What its FLOPs count is not said: nothing "
    "follows from these two columns side by side.",
    entries=tuple(am_flow(row) for row in PAPER_ROWS),
)

PUBLICATIONS = (AIM_3, AIM_4, ZEROI2V, ST_ADAPTER, DUALPATH, ADAPTFORMER, AM_FLOW)
"""Every publication, in the order of the printed table."""
