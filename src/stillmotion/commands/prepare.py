"""stillmotion prepare: a known data set becomes one manifest."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse.typing import PositiveFloat, PositiveInt
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stillmotion.commands.shared import Arguments, keep_apart
from stillmotion.data.manifest import read_header
from stillmotion.errors import ConfigurationError
from stillmotion.files import refuse_unwritable
from stillmotion.parsing import Parser
from stillmotion.terminal import progress_bar

if TYPE_CHECKING:
    from stillmotion.data.sets import DataSet


def run(arguments: Arguments) -> int:
    """Prepare a data set; without arguments, list those that are known."""
    from stillmotion.data.sets import get_data_set
    from stillmotion.data.sets.preparing import prepare
    from stillmotion.data.sets.report import preparation_dict, preparation_tables
    from stillmotion.files import write_text

    parser, console = _parser(), Console()
    values = parser.parse(arguments)
    if values["name"] is None:
        console.print(known_data_sets())
        return 0
    data_set = get_data_set(values["name"])
    if values["source"] is None:
        console.print(layout_of(data_set), soft_wrap=True)
        return 0
    if values["out"] is None:
        parser.error(f"where to write the manifest is not said, such as {data_set.name}.jsonl")
    outputs = {"OUT": values["out"], "--json": values["json"]}
    keep_apart(inputs=[values["source"]], outputs=outputs)
    refuse_place(Path(values["out"]))
    with progress_bar(console) as bar:
        task = bar.add_task("reading lists", total=None)
        prepared = prepare(
            data_set,
            values["source"],
            protocol=values["protocol"],
            decode=values["decode"],
            seconds_per_file=values["seconds_per_file"],
            workers=values["workers"],
            on_progress=lambda done, of: bar.update(
                task, completed=done, total=of, description="opening videos"
            ),
        )
    for part in preparation_tables(prepared):
        console.print(part)
    if values["json"]:
        write_text(Path(values["json"]), json.dumps(preparation_dict(prepared), indent=2) + "\n")
    prepared.write(values["out"], allow_missing=values["allow_missing"])
    console.print(Text(f"{len(prepared.videos):,} videos in {values['out']}"), soft_wrap=True)
    return 0


def refuse_place(out: Path) -> None:
    """Said before hours of reading: where no manifest can be written, or ought to be.

    Raises:
        ConfigurationError: another ending than .jsonl, or a file that is no manifest.
        StorageError: it cannot be written.
    """
    if out.suffix.lower() != ".jsonl":
        raise ConfigurationError(f"{out}: a manifest is JSON lines; name it {out.stem}.jsonl")
    if out.is_file() and read_header(out) is None:
        raise ConfigurationError(f"{out} is no manifest, and would be replaced; name another file")
    refuse_unwritable(out)


def _parser() -> Parser:
    parser = Parser(
        "prepare",
        "NAME SOURCE OUT [options]",
        "Read a data set's own lists, open every video, compare the counts with the official ones, "
        "report what is missing or unreadable, and write one manifest of all splits that train and "
        "evaluate take. Nothing is downloaded or changed. stillmotion prepare alone lists the data "
        "sets; stillmotion prepare NAME shows the files that one needs.",
    )
    for name, what in (
        ("name", "the data set, such as ucf101"),
        ("source", "folder with its lists and, below it, its videos"),
        ("out", "manifest to write, such as ucf101.jsonl"),
    ):
        parser.add_argument(name, type=str | None, nargs="?", help=what)
    parser.add_argument(
        "--protocol",
        type=str | None,
        default=None,
        help="smarthome: cs (usual), cv1 or cv2; ucf101 and hmdb51: split 1 (usual), 2 or 3",
    )
    parser.add_argument(
        "--decode", action="store_true", help="decode every frame, not the headers alone; slow"
    )
    parser.add_argument(
        "--seconds_per_file",
        type=PositiveFloat,
        default=60.0,
        help="time limit of decoding one file; EPIC-KITCHENS' hour-long ones need more",
    )
    parser.add_argument(
        "--allow_missing",
        action="store_true",
        help="write the manifest also where more than 5 percent of a split is of no use, or is "
        "missing from, or beyond, what its owners state",
    )
    parser.add_argument("--json", default=None, help="file to write the whole report to")
    parser.add_argument("--workers", type=PositiveInt, default=4, help="files opened at once")
    return parser


def known_data_sets() -> Table:
    """The names of all data sets, their protocols, and what they are."""
    from stillmotion.data.sets import DATA_SETS

    table = Table("name", "protocols", "what", title="stillmotion prepare NAME SOURCE OUT")
    table.title_justify = "left"
    for name, data_set in DATA_SETS.items():
        table.add_row(name, ", ".join(data_set.protocols), Text(data_set.what))
    table.caption = "stillmotion prepare NAME shows the files that a data set needs"
    table.caption_justify = "left"
    return table


def layout_of(data_set: "DataSet") -> Text:
    """What one data set is, and the files that it needs."""
    protocols = f"--protocol {', '.join(data_set.protocols)}\n" if data_set.protocols else ""
    usage = f"stillmotion prepare {data_set.name} SOURCE {data_set.name}.jsonl"
    return Text(f"{data_set.what}\n\n{data_set.layout}\n{protocols}{usage}")
