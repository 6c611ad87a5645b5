"""CSV and Parquet files of samples, read a batch at a time, so that hours of them need no more memory than minutes do.

Every wanted column of a CSV is read as text and converted here, which is how a message can name the line and the word in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from m3n.errors import InputError, one_line, shown

SUFFIXES = (".csv", ".parquet")
_NOTHING = pa.array(["", "nan", "NaN", "NAN", "null", "NULL", "NA", "N/A", "n/a", "None"])
_BATCH_ROWS = 65_536


class SampleFile:
    """A CSV or Parquet file of samples: its columns, and its rows in batches."""

    def __init__(self, file: Path, delimiter: str = ",") -> None:
        self.file, self._delimiter = file, delimiter
        self._blank: list[int] = []  # lines of a CSV that are empty and therefore no rows
        with self._readable():
            self.columns: list[str] = (
                list(pq.read_schema(file).names) if file.suffix == ".parquet" else self._csv(None).schema.names
            )

    def line(self, row: int) -> str:
        """What a message calls a row, counted from 0: the line of the CSV, or the row of the Parquet file, counted from 1."""
        if self.file.suffix == ".parquet":
            return f"{self.file.name}, row {row + 1}"
        number = row + 2
        for blank in self._blank:
            number += blank <= number
        return f"{self.file.name}, line {number}"

    def batches(self, wanted: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """(number of the first row, batch with the wanted columns) of the whole file, in order."""
        names, first = list(dict.fromkeys(wanted)), 0
        with self._readable():
            if self.file.suffix == ".parquet":
                parquet = pq.ParquetFile(self.file)
                incoming: Iterator[pa.RecordBatch] = parquet.iter_batches(_BATCH_ROWS, columns=names, use_threads=False)
            else:
                incoming = iter(self._csv(names))
        while True:
            with self._readable():
                batch = next(incoming, None)
            if batch is None:
                return
            if batch.num_rows:
                yield first, batch
            first += batch.num_rows

    def numbers(self, batch: pa.RecordBatch, name: str, first: int) -> NDArray[np.float64]:
        """A column as numbers, NaN where it is empty; InputError that names the line for what is no number."""
        column = batch.column(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.is_in(column, value_set=_NOTHING.cast(column.type)), None, column)
            try:
                column = column.cast(pa.float64())
            except pa.ArrowInvalid:
                row, word = next((k, word) for k, word in enumerate(column.to_pylist()) if not _is_number(word))
                raise InputError(
                    f"{self.line(first + row)}: '{shown(word)}' stands in the column {shown(name)}, expected a number"
                ) from None
        elif pa.types.is_decimal(column.type) or pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            column = column.cast(pa.float64(), safe=False)
        else:
            raise InputError(f"{self.file.name}: the column {shown(name)} holds {column.type}, expected numbers")
        return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)

    def words(self, batch: pa.RecordBatch, name: str) -> NDArray[Any]:
        """A column as text, None where it is empty; equal words are one object."""
        column = batch.column(name)
        try:
            if pa.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            column = pc.utf8_trim_whitespace(column.cast(pa.string()))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise InputError(f"{self.file.name}: the column {shown(name)} holds {column.type}, expected text") from None
        column = pc.if_else(pc.is_in(column, value_set=_NOTHING), None, column).dictionary_encode()
        known = np.array([*column.dictionary.to_pylist(), None], dtype=object)
        return known[column.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)]

    def _csv(self, wanted: list[str] | None) -> pa_csv.CSVStreamingReader:
        self._blank = []
        return pa_csv.open_csv(
            self.file,
            read_options=pa_csv.ReadOptions(use_threads=False),
            parse_options=pa_csv.ParseOptions(
                delimiter=self._delimiter, ignore_empty_lines=False, invalid_row_handler=self._skip_blank
            ),
            convert_options=pa_csv.ConvertOptions(
                include_columns=wanted, column_types=dict.fromkeys(wanted or [], pa.string()), strings_can_be_null=True
            ),
        )

    def _skip_blank(self, row: pa_csv.InvalidRow) -> str:
        if row.text.strip():
            return "error"
        self._blank.append(row.number)
        return "skip"

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """InputError for whatever pyarrow says about a damaged file."""
        try:
            yield
        except (InputError, GeneratorExit):
            raise
        except Exception as error:  # a damaged file can fail in any way at all
            said = one_line(str(error).replace("Row #", "line ").replace("CSV parse error: ", "") or "it is damaged", 160)
            kind = "Parquet" if self.file.suffix == ".parquet" else "CSV"
            raise InputError(f"{self.file.name}: cannot be read as {kind}: {said}") from error


def _is_number(word: Any) -> bool:
    try:
        return word is None or pa.scalar(word).cast(pa.float64()) is not None
    except pa.ArrowInvalid:
        return False
