"""The sentences of a demonstration's page. Those that judge are chosen by the numbers.

Two scores count as different where their 95% intervals do not overlap, which is stricter than a
test at 5%.
"""

from stillmotion.visualise.demonstration import Contender, Demonstration, FlowExample
from stillmotion.visualise.drawing import History
from stillmotion.visualise.theme import percent


def lede(d: Demonstration) -> str:
    """The whole story in one paragraph."""
    return (
        f"{d.num_train:,} short videos, {len(d.class_names)} motions, and a transformer that knows "
        f"still pictures only. Its {d.backbone_parameters:,} parameters stay frozen; "
        f"{d.amflow.trainable_parameters:,} new ones learn to follow what changes. Then it is "
        f"asked what happens in {d.num_heldout:,} videos that it has not seen."
    )


def task(d: Demonstration) -> str:
    """Why no single frame gives the class away."""
    first, second = d.class_names[:2]
    return (
        f"The {len(d.class_names)} motions are {len(d.class_names) // 2} pairs, and the second of "
        f"each pair is the first played backwards: {first} and {second}, for example. Both hold "
        "the same frames, so a model that ignores their order can find the pair but not tell its "
        "two members apart: it is right half of the time at best. Which object moves, and on what "
        "background, is drawn by lot."
    )


def time_verdict(d: Demonstration) -> str:
    """Whether AM Flow beats what is possible without order, and what reversing does to it."""
    best, (low, _) = d.ceiling, d.amflow.interval()
    if low <= best:
        return (
            f"Not shown. {d.amflow.name} is right on {percent(d.amflow.top1)} of the clips, which "
            f"is not clearly more than the {percent(best)} that a model without a sense of order "
            "can reach."
        )
    played = f"Played backwards, its score is {percent(d.amflow.top1_reversed)}: " + (
        "it sees the opposite motion." if d.amflow.top1_reversed < best / 2 else "it is unsure."
    )
    return (
        f"Yes. {d.amflow.name} is right on {percent(d.amflow.top1)} of the clips, more than any "
        f"model could be that ignores order ({percent(best)}). {played} {d.baseline.name}: "
        f"{percent(d.baseline.top1)} in order, {percent(d.baseline.top1_reversed)} backwards."
    )


def ablation(d: Demonstration) -> str:
    """What the flow itself is worth here; empty where this was not measured."""
    if d.without_flow is None:
        return ""
    with_flow, without = d.amflow, d.without_flow
    if differ(with_flow, without):
        word = "more" if with_flow.top1 > without.top1 else "fewer"
        verdict = f"with flow the model gets clearly {word} clips right"
    else:
        verdict = (
            "the intervals overlap, so on these videos the flow itself makes no difference that "
            "this test can see; the modules that read time do the work without it"
        )
    return (
        f"The same model trained without attention-map flow scores {percent(without.top1)}, "
        f"against {percent(with_flow.top1)}: {verdict}."
    )


def differ(one: Contender, other: Contender) -> bool:
    """Whether the intervals of two scores do not overlap."""
    (low, high), (other_low, other_high) = one.interval(), other.interval()
    return low > other_high or other_low > high


def control(d: Demonstration) -> str:
    """That the baseline is blind to order, not to pictures; empty where this was not asked."""
    if d.baseline.control_top1 is None:
        return ""
    return (
        "The frozen model is not blind. Asked for something that does not lie in time, the shape "
        f"of the object, the same features with a linear layer are right on "
        f"{percent(d.baseline.control_top1)} of the clips (guessing: {percent(1 / d.num_shapes)})."
    )


def mistakes_rule(d: Demonstration) -> str:
    """How the wrong answers on show were chosen, and how many there are."""
    wrong = int(d.amflow.confusion.sum() - d.amflow.confusion.trace())
    if wrong == 0:
        return f"{d.amflow.name} got every held-out clip right, so there is nothing to show here."
    if wrong <= len(d.mistakes):
        return f"All of the held-out clips that {d.amflow.name} got wrong: {wrong}."
    return (
        f"{d.amflow.name} got {wrong} of {d.num_heldout} held-out clips wrong. These are the first "
        f"{len(d.mistakes)} in the order of the list."
    )


def flow_note(flow: FlowExample) -> str:
    """How the rows are to be read."""
    lonely = "last" if flow.blocks[0].pairing == "next" else "first"
    return (
        f"Each block is scaled on its own. The {lonely} frame has no partner to be compared with. "
        "“Not read” marks blocks that have no adapter with flow in this model; theirs was computed "
        "for this page."
    )


def trained(d: Demonstration) -> str:
    """The size of what was trained."""
    share = d.amflow.trainable_parameters / d.backbone_parameters
    return (
        f"{d.amflow.name} trains {d.amflow.trainable_parameters:,} parameters beside the frozen "
        f"{d.backbone_parameters:,}: {percent(share)} of their number. The image model is tiny, so "
        "that the demonstration runs anywhere."
    )


def last_epoch(history: History) -> str:
    """Where training ended, for who cannot see the curves."""
    last = history[-1]
    accuracy = last.get("val_top1")
    told = "" if accuracy is None else f", validation accuracy {percent(accuracy)}"
    return f"{last['epoch']:.0f} epochs{told}"


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(143.2), duration(8.04)
    ('2 min 23 s', '8 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
