"""The class names of public data sets, in the order that gives each class its published index.

A published model knows its classes by index alone, and sorting the names again need not give that
order: UCF101's file has `Hammering` before `HammerThrow`, as a sort without regard to case does.

    kinetics400   sorted, after spaces became underscores; equal to torchvision's categories and
                  to the label map that MMAction's forks carry (demo/label_map_k400.txt)
    ssv2          the values of Something-Something V2's labels.json, 0 to 173; equal to
                  MMAction2's tools/data/sthv2/label_map.txt
    ucf101        classInd.txt, whose first index 1 is 0 here; THUMOS counts alike
    hmdb51        sorted folder names: the data set has no index file
    diving48      Diving48_vocab.json, its four words joined by "+" as in MMAction2's
                  tools/data/diving48/label_map.txt
    kinetics700   MMAction2's tools/data/kinetics/label_map_k700.txt
    ssv1          Something-Something V1's labels.csv, the classes of V2 in another order; equal to
                  MMAction2's tools/data/sthv1/label_map.txt
    jester        MMAction2's tools/data/jester/label_map.txt
    smarthome     Toyota Smarthome's activities in alphabetical order, as public code bases count
                  them but one, which swaps Usetablet (27) and Usetelephone (28); smarthome_cv are
                  the 19 of the cross-view protocols
"""

from collections.abc import Iterable
from importlib.resources import as_file, files
from pathlib import Path

from stillmotion.errors import DataError, unknown
from stillmotion.given_files import from_json, read_text

CLASS_LISTS = (
    "diving48", "hmdb51", "jester", "kinetics400", "kinetics700", "smarthome", "smarthome_cv",
    "ssv1", "ssv2", "ucf101",
)  # fmt: skip
"""The data sets whose class names are known."""


def read_class_names(name_or_file: str | Path) -> tuple[str, ...]:
    """The names of a known data set's classes, or those of a file; a name's place is its index.

    Args:
        name_or_file: one of `CLASS_LISTS`, or a file: text with a name a line, a JSON list, or a
            JSON object from names to indices, as in Something-Something's labels.json.

    Raises:
        DataError: where it is neither, or the file cannot be read, is empty or repeats a name.
    """
    if str(name_or_file) in CLASS_LISTS:
        with as_file(files("stillmotion") / "assets" / "labels" / f"{name_or_file}.txt") as path:
            return _read_file(path)
    path = Path(name_or_file)
    if not path.is_file():
        known = unknown("class list", str(name_or_file), CLASS_LISTS)
        raise DataError(f"{known}; or the path of a file with a class name a line")
    return _read_file(path)


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """The names as they are.

    Raises:
        DataError: where one occurs twice.
    """
    names = tuple(names)
    if len(set(names)) < len(names):
        raise DataError(f"class names occur twice: {', '.join(names)}")
    return names


def _read_file(path: Path) -> tuple[str, ...]:
    try:
        text = read_text(path)
        told = from_json(text) if path.suffix.lower() == ".json" else text.splitlines()
        lines = _by_index(told) if isinstance(told, dict) else list(told)
        if not all(isinstance(line, str | int | float) for line in lines):
            raise ValueError("not all are names")
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: class names cannot be read: {error}") from error
    names = distinct(str(line).strip() for line in lines if str(line).strip())
    if not names:
        raise DataError(f"{path}: there are no class names in it")
    return names


def _by_index(indices: dict[str, str | int]) -> list[str]:
    """Names in the order of their indices, which are those from 0 up."""
    names = {int(index): name for name, index in indices.items()}
    if len(names) < len(indices) or sorted(names) != list(range(len(names))):
        raise ValueError(f"the {len(indices)} indices are not those from 0 to {len(indices) - 1}")
    return [names[index] for index in range(len(names))]
