"""stillmotion watch: say what happens while it happens."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse.typing import NonNegativeFloat, PositiveFloat, PositiveInt
from rich.live import Live as Display

from stillmotion.commands.shared import RUN, WEIGHTS, Arguments, keep_apart
from stillmotion.parsing import Parser

if TYPE_CHECKING:
    from stillmotion.data.live import Live
    from stillmotion.errors import VideoError
    from stillmotion.watching import Pace, Seen, Watcher
    from stillmotion.watching.tally import Tally

Show = Callable[["Seen", "Tally"], None]


def run(arguments: Arguments) -> int:
    """Answer while frames come, until they end or somebody ends it."""
    values = options().parse(arguments)
    keep_apart(inputs=[values["source"]], outputs={"--draw": values["draw"]})
    from stillmotion.data.recording import refuse_target

    if values["draw"]:
        refuse_target(values["draw"])
    from stillmotion.checkpoint import load
    from stillmotion.data.live import Live
    from stillmotion.watching import Pace, usual_pace
    from stillmotion.watching.tally import Tally

    live = Live(
        values["source"],
        buffer=values["buffer"],
        fast=values["fast"],
        timeout=values["timeout"],
        reconnect=values["reconnect"],
        on_notice=note,
    )
    asked = {name: values[name] for name in ("every", "fps") if values[name] is not None}
    pace = Pace(**asked) if asked else None
    model = load(values["run"], values["weights"])
    watcher, tally = watcher_for(model, live, values), Tally(live)
    lost = watch_on(watcher, live, pace or usual_pace(model), tally, values)
    if live.read:
        note(tally.line())
    if lost:
        raise lost
    return 0


def watch_on(
    watcher: "Watcher", live: "Live", pace: "Pace", tally: "Tally", values: dict[str, Any]
) -> "VideoError | None":
    """Watch until the source ends, or Ctrl-C; either way a drawn video is finished.

    Returns:
        Why the source was lost, if it was.
    """
    from stillmotion.errors import VideoError
    from stillmotion.watching import watch
    from stillmotion.watching.drawing import Drawing

    with ExitStack() as stack:
        on_frame = None
        if values["draw"]:
            on_frame = stack.enter_context(Drawing(values["draw"], live)).add
        stack.enter_context(live)
        show = stack.enter_context(output(as_json=values["json"], top=values["top"]))
        try:
            seen_all = watch(watcher, live, pace=pace, seconds=values["seconds"], on_frame=on_frame)
            for seen in seen_all:
                if tally.answers == 0:
                    note(how(watcher, pace))
                tally.add(seen)
                show(seen, tally)
        except KeyboardInterrupt:
            return None
        except VideoError as error:
            return error
    return None


def watcher_for(model: Any, live: "Live", values: dict[str, Any]) -> "Watcher":
    """The model with what was asked for."""
    from stillmotion.as_trained import views_of
    from stillmotion.watching import Watcher, usual_context

    context, crops, views = values["context"], values["crops"], views_of(model)
    if context == "auto":
        context = usual_context(model, has_end=live.source.is_file)
    return Watcher(
        model,
        context=context,
        views=views if crops is None else replace(views, crops=crops),
        threshold=values["threshold"],
        smooth=values["smooth"],
        device=values["device"],
    )


def how(watcher: "Watcher", pace: "Pace") -> str:
    """Which frames an answer is of."""
    span = f"the last {watcher.num_frames} of them" if watcher.num_frames else "all of them so far"
    return f"the model is shown {pace.line()}; an answer is of {span}"


@contextmanager
def output(*, as_json: bool, top: int) -> Iterator[Show]:
    """How an answer is shown: a JSON line, bars in a terminal, or a line where it changes."""
    if as_json:
        yield lambda seen, _: print(
            json.dumps(seen.to_dict(top=top), ensure_ascii=False), flush=True
        )
    elif sys.stdout.isatty():
        from stillmotion.watching.screen import screen

        with Display() as display:
            yield lambda seen, tally: display.update(screen(seen, tally, top=top))
    else:
        yield lines_of_changes()


def lines_of_changes() -> Show:
    """Prints an answer that is not the one before."""
    before: list[str] = []

    def show(seen: "Seen", tally: "Tally") -> None:
        if before != [seen.answer]:
            before[:] = [seen.answer]
            print(f"{seen.seconds:.2f} s  {seen.prediction.told(top=1)}", flush=True)

    return show


def note(words: str) -> None:
    """What is not an answer, on standard error."""
    print(f"stillmotion: {words}", file=sys.stderr)


def options() -> Parser:
    """What can be asked for."""
    parser = Parser(
        "watch",
        "RUN SOURCE [options]",
        "Say what happens in front of a camera, on a stream, or in a file played at its own speed. "
        "The newest frames count: where the model does not keep up, older ones are dropped, and "
        "how many is told. Bars in a terminal, else a line where the answer changes. Ctrl-C ends. "
        "Examples: stillmotion watch runs/a camera; "
        "stillmotion watch runs/a rtsp://door.example/1 --json; "
        "stillmotion watch runs/a door.mp4 --draw seen.mp4",
    )
    parser.add_argument("run", help=RUN)
    parser.add_argument(
        "source",
        help="camera, camera:1, a device such as /dev/video0, an address (rtsp://, udp://, tcp://, "
        "http://, ...), or a file",
    )
    add_frames(parser)
    parser.add_argument("--top", type=PositiveInt, default=5, help="classes to show")
    parser.add_argument("--json", action="store_true", help="a JSON object for each answer, a line")
    parser.add_argument(
        "--draw",
        default=None,
        metavar="TO",
        help="also write the pictures with the answer on them: an .mp4 file, which must not be "
        "there yet, or udp://HOST:PORT",
    )
    parser.add_argument(
        "--threshold",
        type=float | None,
        default=None,
        help="least confidence of an answer; 0: any; by default as the model was calibrated",
    )
    parser.add_argument(
        "--smooth", type=NonNegativeFloat, default=0.0, help="seconds of answers that are averaged"
    )
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    parser.add_argument("--device", default=None, help="cpu, cuda, mps; by default the best")
    return parser


def add_frames(parser: Parser) -> None:
    """Options that say which frames are taken, and what becomes of a lost source."""
    parser.add_argument(
        "--every",
        type=PositiveInt | None,
        default=None,
        help="show the model one frame in so many; by default as in its training",
    )
    parser.add_argument(
        "--fps", type=PositiveFloat | None, default=None, help="or so many frames a second"
    )
    parser.add_argument(
        "--context",
        type=Literal["auto", "last", "all"],
        default="auto",
        help="an answer is of the last frames, as many as the model was trained on, or of all so "
        "far (causal models); auto: all of a file where the model is causal, else the last",
    )
    parser.add_argument(
        "--crops", type=int | None, default=None, help="1, 3 or 10; by default as in training"
    )
    parser.add_argument(
        "--seconds", type=PositiveFloat | None, default=None, help="stop after so many"
    )
    parser.add_argument("--fast", action="store_true", help="do not play a file at its own speed")
    parser.add_argument(
        "--buffer", type=PositiveInt, default=8, help="frames that wait at most; others are dropped"
    )
    parser.add_argument(
        "--timeout",
        type=PositiveFloat,
        default=10.0,
        help="seconds without a frame after which a source counts as lost",
    )
    parser.add_argument(
        "--reconnect",
        type=NonNegativeFloat,
        default=60.0,
        help="seconds of growing pauses in which a lost source is opened again; 0: not at all",
    )
