"""From a published file to a video classifier."""

import logging
from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from stillmotion.backbones import OWN_WEIGHTS, OpenBackbone, open_backbone
from stillmotion.backbones.foreign import ImageWeights, read_image
from stillmotion.backbones.foreign.read import CLIP_ARCHITECTURES
from stillmotion.backbones.load import build
from stillmotion.data.class_lists import read_class_names
from stillmotion.errors import ConfigurationError, WeightsError
from stillmotion.methods import Method
from stillmotion.model import VideoClassifier
from stillmotion.nn.state import mismatch
from stillmotion.official.contents import Source
from stillmotion.official.files import PublishedFiles
from stillmotion.official.protocols import protocol_info
from stillmotion.official.report import Report
from stillmotion.official.scheme import SIZES, Fields, MethodScheme, Pixels, agreed
from stillmotion.official.schemes import scheme_of
from stillmotion.official.settings import read_settings

log = logging.getLogger("stillmotion")

USUAL_SIZE = 224
"""Pixels a side of every published model; it is taken where no position says more."""

USUAL_HEAD = 64
"""Channels of a head in every published model."""


def load(
    source: Source,
    *,
    method: str,
    num_frames: int,
    num_heads: int | None = None,
    clip: Source | None = None,
    labels: str | PathLike[str] | None = None,
    **fields: Any,
) -> VideoClassifier:
    """A published model, in evaluation mode and in the number type of its file.

    All sizes are read off the tensors. What follows from no tensor is asked for: heads, frames, and
    fields such as ``scale``; where they are not given, a warning says what was taken.

    Args:
        source: a safetensors file, a ``.pth`` file (nothing in it is run), or its content.
        method: ``aim``, ``zeroi2v``, ``st_adapter``, ``dualpath`` or ``adaptformer``.
        num_frames: T, the most frames of a clip.
        num_heads: of each block; None: one for 64 channels, as all published models have.
        clip: for ST-Adapter, whose files hold no image model: a file of OpenAI's CLIP, or its
            content.
        labels: ``kinetics400``, ``ssv2``, ... or a file of class names. A data set's name also says
            how the authors draw clips and crops in tests. None: classes are numbered.
        fields: of the method, under our names or as in the authors' configuration; also sizes, such
            as ``image_size``. What contradicts the tensors is refused.

    Raises:
        WeightsError: for a file of another method, or with keys missing, unknown or misshapen.
        ConfigurationError: for unknown fields, or fields or labels that contradict the tensors.
        DataError: for labels that are not known.
    """
    model, report = load_with_report(
        source,
        method=method,
        num_frames=num_frames,
        num_heads=num_heads,
        clip=clip,
        labels=labels,
        **fields,
    )
    if report.assumed:
        log.warning("%s", report.assumptions())
    return model


def load_with_report(
    source: Source,
    *,
    method: str,
    num_frames: int,
    num_heads: int | None = None,
    clip: Source | None = None,
    labels: str | PathLike[str] | None = None,
    **fields: Any,
) -> tuple[VideoClassifier, Report]:
    """As `load`, and what became of every key."""
    scheme = scheme_of(method)
    said = {"num_frames": num_frames} | ({} if num_heads is None else {"num_heads": num_heads})
    settings = read_settings(source)
    given = agreed(scheme.understood(fields), said, other="the argument")
    given = scheme.understood(settings.fields) | given
    files = PublishedFiles.read(scheme, source, clip)
    image, image_keys = image_of(files, given)
    tensors = files.method_tensors()
    check_sizes(scheme, image, tensors, given)
    chosen = method_of(scheme, image, tensors, given)
    model = VideoClassifier(
        open_image(image, scheme, settings.pixels),
        chosen,
        num_frames=num_frames,
        class_names=class_names(labels, len(tensors[scheme.classifier]), settings.class_names),
    ).to(files.dtype)
    model.info = protocol_info(method, str(labels), num_frames)
    wanted = {name: getattr(chosen, name) for name in scheme.unwritten_in(chosen)}
    wanted["num_heads"] = image.arguments["num_heads"]
    assumed = {name: value for name, value in wanted.items() if name not in given}
    report = files.report(model, image_keys=image_keys, assumed=assumed)
    report.refuse_misfits(scheme.title)
    model.load_state_dict(tensors, strict=False)
    return model.eval(), report


def image_of(files: PublishedFiles, given: Fields) -> tuple[ImageWeights, list[str]]:
    """The image model in the files, with a size, and the keys that it is made of.

    Raises:
        WeightsError: where keys are missing, or sizes contradict each other.
    """
    scheme = files.scheme
    heads = given.get("num_heads", max(1, files.width() // USUAL_HEAD))
    image, keys = read_image(files.image_state(), num_heads=heads, among=scheme.tables)
    if scheme.projects and image.projection is None:
        raise WeightsError(f"{scheme.prefix}proj is missing: CLIP's projection")
    if image.arguments.get("no_embed_class"):
        raise WeightsError("there is a position for each patch, but none for the class token")
    image.arguments.setdefault("img_size", given.get("image_size", USUAL_SIZE))
    return image, keys


def check_sizes(
    scheme: MethodScheme, image: ImageWeights, tensors: Mapping[str, Tensor], given: Fields
) -> None:
    """Compare what was said with what the tensors say.

    Raises:
        ConfigurationError: where they differ.
    """
    of_file = {
        "image_size": image.arguments["img_size"],
        "patch_size": image.arguments["patch_size"],
        "dim": image.arguments["embed_dim"],
        "depth": image.arguments["depth"],
        "num_heads": image.arguments["num_heads"],
        "num_classes": len(tensors[scheme.classifier]),
        "tubelet": image.arguments["in_chans"] // 3,
    }
    if "stem.temporal" in tensors:
        of_file["num_frames"] = len(tensors["stem.temporal"])
    sizes = {name: value for name, value in given.items() if name in SIZES}
    agreed(sizes, of_file, other="the file")


def method_of(
    scheme: MethodScheme, image: ImageWeights, tensors: Mapping[str, Tensor], given: Fields
) -> Method:
    """The method with the fields that tensors tell of, those given, and published ones.

    Raises:
        ConfigurationError: where those given contradict the tensors, or are not possible.
    """
    fields = {name: value for name, value in given.items() if name not in SIZES}
    told = scheme.read_off(tensors, image, fields)
    fields = agreed(fields, told, other="the file")
    start = scheme.start(image).to_dict()
    del start["method"]
    return scheme.method.with_fields(start | fields)


def class_names(
    labels: str | PathLike[str] | None, num_classes: int, told: tuple[str, ...]
) -> tuple[str, ...]:
    """The names of a data set or a file, else those told beside the tensors, else numbers.

    Raises:
        DataError: for unknown labels, or a file that cannot be read.
        ConfigurationError: where there are more or fewer than the model has classes.
    """
    if labels is None:
        numbered = tuple(f"class {index}" for index in range(num_classes))
        return told if len(told) == num_classes else numbered
    names = read_class_names(str(labels))
    if len(names) != num_classes:
        raise ConfigurationError(
            f"labels={labels!r} has {len(names)} names, but the file has {num_classes} classes"
        )
    return names


def open_image(image: ImageWeights, scheme: MethodScheme, pixels: Pixels | None) -> OpenBackbone:
    """The image model that a file holds, opened; pixels as told, else as the authors have them.

    Raises:
        WeightsError: where its tensors do not fit together.
    """
    arguments, state = dict(image.arguments), dict(image.state)
    if image.projection is not None:
        arguments["num_classes"] = len(image.projection)
        arguments["pretrained_cfg_overlay"] = {"num_classes": len(image.projection)}
        state["head.weight"] = image.projection
        state["head.bias"] = torch.zeros_like(image.projection[:, 0])
    network = build(image.name, pretrained=False, arguments=arguments)
    if problem := mismatch(state, network.state_dict()):
        raise WeightsError(f"the image model's tensors do not fit together: {problem}")
    network.to(next(iter(state.values())).dtype).load_state_dict(state)
    backbone = open_backbone(network, name=image.name, weights=OWN_WEIGHTS)
    backbone.arguments = arguments
    is_clip = image.name in CLIP_ARCHITECTURES.values()
    backbone.mean, backbone.std = pixels or scheme.pixels(is_clip=is_clip)
    return backbone
