"""Files of answers: JSON lines, or Parquet. Each appears whole or not at all."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from stillmotion.errors import ConfigurationError
from stillmotion.files import readable, write_text, writing

Form = Literal["jsonl", "parquet"]
Row = dict[str, Any]
"""path; start and end where the list has them; then what `Prediction.to_dict` tells, or error."""


def write_answers(path: Path, rows: Sequence[Row], *, form: Form) -> None:
    """Write the answers to some videos.

    Raises:
        StorageError: the file cannot be written.
    """
    if form == "jsonl":
        write_text(path, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))
        return
    import pyarrow
    from pyarrow import parquet

    with writing(path) as file:
        told = [row | {"path": readable(row["path"])} for row in rows]  # a column of text
        parquet.write_table(pyarrow.Table.from_pylist(told, schema=schema()), file)


def schema() -> Any:
    """Of a Parquet file: the same columns, whatever its rows hold."""
    import pyarrow

    text, number = pyarrow.string(), pyarrow.float64()
    prediction = pyarrow.struct({"label": text, "probability": number})
    columns = {"path": text, "start": number, "end": number}
    columns |= {"predictions": pyarrow.list_(prediction)}
    columns |= {"answer": text, "confidence": number, "threshold": number, "error": text}
    return pyarrow.schema(columns)


def refuse_without_library(form: Form) -> None:
    """Refuse Parquet where nothing writes it.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    if form == "parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise ConfigurationError(
                f"Parquet needs pyarrow, which cannot be imported ({error}): "
                "pip install 'stillmotion[parquet]', or take --format jsonl"
            ) from error
