"""The files of a comparison."""

from pathlib import Path

from stillmotion.comparison.result import Comparison
from stillmotion.files import as_json, write_rows, write_text, writing_together


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write NAME.json, NAME.html, NAME_pairs.csv and NAME_per_class.csv, or nothing.

    Raises:
        StorageError: a file cannot be written.
    """
    from stillmotion.visualise.comparison_html import comparison_page

    told = comparison.to_dict()
    columns = ("first", "second", "top1", "mean_class", "only_first", "only_second", "p", "p_holm")
    classes = [
        {"name": row["name"], "n": row["n"]}
        | dict(zip(comparison.names, row["accuracy"], strict=True))
        for row in comparison.per_class
    ]
    with writing_together(path) as path:
        write_rows(path.with_name(f"{path.stem}_pairs.csv"), columns, told["pairs"])
        write_rows(
            path.with_name(f"{path.stem}_per_class.csv"), ("name", "n", *comparison.names), classes
        )
        write_text(path.with_suffix(".html"), comparison_page(told))
        write_text(path, as_json(told))
