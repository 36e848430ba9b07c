"""stillmotion demo: the demonstration."""

from pathlib import Path

from stillmotion.commands.shared import Arguments
from stillmotion.parsing import Parser


def run(arguments: Arguments) -> int:
    """The demonstration."""
    parser = Parser(
        "demo",
        "[--out DIR] [--quick] [--full] [--seed N]",
        "Make short videos whose class lies only in time, train AM Flow and an order-free baseline "
        "on them, score both on held-out videos, and write report.json and report.html, a page to "
        "look at. Needs nothing: no GPU, no download.",
    )
    parser.add_argument("--out", default="stillmotion-demo", help="directory to write")
    parser.add_argument("--quick", action="store_true", help="a minute, less data, lower scores")
    parser.add_argument("--full", action="store_true", help="also train AM Flow without its flow")
    parser.add_argument("--seed", type=int, default=0, help="changes the videos and the training")
    values = parser.parse(arguments)
    from stillmotion.demo import demonstrate

    report = demonstrate(Path(values.pop("out")), **values)
    print(f"look at it: {report}")
    return 0
