"""Whose attention-map flow is shown."""

from collections.abc import Iterable

from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier
from stillmotion.visualise.extract import Frames, attention_flow
from stillmotion.visualise.flow import BlockFlow


def shown_flow(
    model: VideoClassifier, clip: Frames, chosen: set[int], *, asked: bool
) -> tuple[BlockFlow, ...]:
    """The flow of the chosen blocks; of none: of those that an adapter reads, or, if there are none
    and flow was asked for, of all.

    Raises:
        ConfigurationError: a chosen block shows none, or nothing reads it and it was not asked for.
    """
    flows = flow_of_frames(model, clip)
    if shut := chosen - {flow.block for flow in flows}:
        raise ConfigurationError(
            f"block {min(shut)} of {model.backbone.title} pools its tokens and shows no flow"
        )
    if chosen:
        return tuple(flow for flow in flows if flow.block in chosen)
    read = tuple(flow for flow in flows if flow.read)
    if not read and not asked:
        raise ConfigurationError(
            f"no adapter of {model.method.name} reads attention-map flow; that of the frozen "
            "blocks is computed where flow is asked for by name"
        )
    return read or tuple(flows)


def flow_of_frames(model: VideoClassifier, clip: Frames) -> list[BlockFlow]:
    """The flow of every block, if blocks see the frames of the clip one by one.

    Raises:
        ConfigurationError: they see others, such as DualPath's grids, or show none.
    """
    flows = attention_flow(model, clip)
    if not flows or len(flows[0].flow) != len(clip):
        raise ConfigurationError(
            f"the blocks of {model.method.name} do not see the {len(clip)} frames of the clip one "
            "by one"
        )
    return flows


def numbered_blocks(blocks: Iterable[int], depth: int) -> set[int]:
    """Block numbers from 0, of numbers that may be negative.

    Raises:
        ConfigurationError: there is no such block.
    """
    numbers = list(blocks)
    for number in numbers:
        if not -depth <= number < depth:
            raise ConfigurationError(f"block {number}: this model has blocks 0 to {depth - 1}")
    return {number % depth for number in numbers}
