"""CSV and Parquet files of samples, read a batch at a time, so that hours of them need no more memory than minutes do.

Numbers are converted by Arrow. Where it fails, the file is read again as text, which is how a message can name the line and the
word in it. A line that is empty, or holds nothing but delimiters, is a row without values: it ends a recording.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
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
from m3n.sources.recordings.csv_dialect import Dialect, RewrittenLines, found_dialect
from m3n.sources.recordings.table_options import Options

SUFFIXES = (".csv", ".parquet", ".txt", ".tsv")
_EMPTY = ["", "nan", "NaN", "NAN", "null", "NULL", "NA", "N/A", "n/a", "None", "-nan"]
_NOTHING = pa.array(_EMPTY)
_NO_WORD = pa.array(["", "nan", "NaN"])  # what pandas writes where it has nothing; None, null and NA can be names of classes
_BATCH_ROWS = 65_536
_BLOCK_BYTES = 2 << 20
_REVERSIBLE_ROWS = 4_000_000


class SampleFile:
    """A CSV or Parquet file of samples: its columns, and its rows in batches."""

    def __init__(self, file: Path, options: Options) -> None:
        self.file, self.reversed = file, False
        self._blank: list[int] = []  # lines of a CSV that Arrow cannot take for rows because they hold blanks alone
        self._as_text = False
        self._rows = 0  # of a reversed file
        self._dialect: Dialect | None = None
        with self._readable():
            if file.suffix == ".parquet":
                self._types = {field.name: field.type for field in pq.read_schema(file)}
                self.columns: list[str] = [name.strip() for name in pq.read_schema(file).names]
                self._own = list(pq.read_schema(file).names)
            else:
                self._dialect = found_dialect(file, options.delimiter, options.decimal, options.skip_rows, options.names)
                self.columns = list(self._dialect.names)
                self._own = [f"{number}" for number in range(len(self.columns))]
                self._types = {}

    @property
    def untold(self) -> str:
        """Lines of a CSV above its samples that are not its names."""
        return self._dialect.untold if self._dialect else ""

    def stored_type(self, name: str) -> pa.DataType | None:
        """Type of a Parquet file's column; None for a CSV."""
        return self._types.get(self._own[self.columns.index(name)])

    def line(self, row: int) -> str:
        """What a message calls a row, counted from 0: the line of the CSV, or the row of the Parquet file, counted from 1."""
        row = self._rows - 1 - row if self.reversed else row
        if self._dialect is None:
            return f"{self.file.name}, row {row + 1}"
        number = row + 1 + self._dialect.skipped
        for blank in self._blank:
            number += blank <= number
        return f"{self.file.name}, line {number}"

    def reverse(self) -> None:
        """Give the last row first from now on."""
        self.reversed, self._rows = True, 0

    def batches(self, wanted: Sequence[str], numeric: Collection[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """(number of the first row, batch with the wanted columns) of the whole file, in order; `numeric`: those of numbers."""
        if not self.reversed:
            yield from self._forwards(wanted, numeric)
            return
        held, count = [], 0
        for _, batch in self._forwards(wanted, numeric):
            held.append(batch)
            count += batch.num_rows
            if count > _REVERSIBLE_ROWS:
                raise InputError(
                    f"{self.file.name}: runs from the newest row to the oldest, and has over {_REVERSIBLE_ROWS} rows; sort it by "
                    "time"
                )
        self._rows, first = count, 0
        for batch in reversed(held):
            yield first, batch.take(pa.array(np.arange(batch.num_rows)[::-1]))
            first += batch.num_rows

    def _forwards(self, wanted: Sequence[str], numeric: Collection[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        names, first = list(dict.fromkeys(wanted)), 0
        while True:
            try:
                for start, batch in self._read(names, numeric):
                    new = batch.slice(max(first - start, 0))
                    if new.num_rows:
                        yield first, new
                        first += new.num_rows
                return
            except _NotNumbersError:  # read again as text, past what was given already
                self._as_text = True

    def _read(self, names: list[str], numeric: Collection[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        own = [self._own[self.columns.index(name)] for name in names]
        with self._readable():
            if self._dialect is None:
                incoming: Iterator[pa.RecordBatch] = pq.ParquetFile(
                    self.file, buffer_size=1 << 20, pre_buffer=False
                ).iter_batches(_BATCH_ROWS, columns=own, use_threads=False)
            else:
                incoming = iter(self._csv(own, {o for o, name in zip(own, names, strict=True) if name in numeric}))
        first = 0
        while True:
            with self._readable():
                batch = next(incoming, None)
            if batch is None:
                return
            ordered = [batch.column(batch.schema.names.index(o)) for o in own]
            whole = pa.RecordBatch.from_arrays(ordered, names=names)
            for start in range(0, whole.num_rows, _BATCH_ROWS):
                yield first + start, whole.slice(start, _BATCH_ROWS)
            first += whole.num_rows

    def numbers(self, batch: pa.RecordBatch, name: str, first: int) -> NDArray[np.float64]:
        """A column as numbers, NaN where it is empty; InputError that names the line for what is no number."""
        column = batch.column(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.is_in(column, value_set=_NOTHING.cast(column.type)), None, column)
            written = column
            column = pc.replace_substring(column, "\u2212", "-")  # a minus sign that spreadsheets write
            if self._dialect is not None and self._dialect.decimal == ",":
                column = pc.replace_substring(column, ",", ".")
            try:
                column = column.cast(pa.float64())
            except pa.ArrowInvalid:
                row = next(k for k, word in enumerate(column.to_pylist()) if not _is_number(word))
                word = written[row].as_py()
                raise InputError(
                    f"{self.line(first + row)}: '{shown(word)}' stands in the column {shown(name)}, expected a number{_why(word)}"
                ) from None
        elif pa.types.is_decimal(column.type) or pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            column = column.cast(pa.float64(), safe=False)
        elif not pa.types.is_null(column.type):
            raise InputError(f"{self.file.name}: the column {shown(name)} holds {column.type}, expected numbers")
        else:
            column = column.cast(pa.float64())
        return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)

    def words(self, batch: pa.RecordBatch, name: str) -> NDArray[Any]:
        """A column as text, None where it is empty; equal words are one object."""
        column = batch.column(name)
        try:
            if pa.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            if pa.types.is_floating(column.type):
                column = _whole(column)
            column = pc.utf8_trim_whitespace(column.cast(pa.string()))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise InputError(f"{self.file.name}: the column {shown(name)} holds {column.type}, expected text") from None
        column = pc.if_else(pc.is_in(column, value_set=_NO_WORD), None, column).dictionary_encode()
        known = np.array([*column.dictionary.to_pylist(), None], dtype=object)
        return known[column.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)]

    def empty_rows(self, batch: pa.RecordBatch) -> NDArray[np.bool_]:
        """Rows in which every wanted column is empty: lines that end a recording."""
        found = np.ones(batch.num_rows, bool)
        for column in batch.columns:
            null = column.is_null(nan_is_null=True) if pa.types.is_floating(column.type) else column.is_null()
            empty = np.asarray(null.to_numpy(zero_copy_only=False), bool)
            if pa.types.is_string(column.type):
                blank = pc.equal(pc.utf8_trim_whitespace(column), "").fill_null(True)
                empty |= np.asarray(blank.to_numpy(zero_copy_only=False), bool)
            found &= empty
            if not found.any():
                break
        return found

    def blank_before(self, first: int, count: int) -> NDArray[np.bool_]:
        """Rows before which a line holds blanks alone, which Arrow does not give as a row."""
        found = np.zeros(count, bool)
        skipped = 0 if self._dialect is None else self._dialect.skipped
        for passed, line in enumerate(self._blank):
            row = line - 1 - skipped - passed - first
            if 0 <= row < count and not self.reversed:
                found[row] = True
        return found

    def _csv(self, wanted: list[str], numeric: Collection[str]) -> pa_csv.CSVStreamingReader:
        dialect = self._dialect
        assert dialect is not None
        self._blank = []
        rewritten = dialect.delimiter == " " or dialect.trailing
        types = {name: pa.float64() if name in numeric and not self._as_text else pa.string() for name in wanted}
        return pa_csv.open_csv(
            pa.PythonFile(RewrittenLines(self.file, dialect), mode="r") if rewritten else self.file,
            read_options=pa_csv.ReadOptions(
                use_threads=False, column_names=self._own, skip_rows=dialect.skipped, block_size=_BLOCK_BYTES,
                encoding="utf-8" if rewritten else dialect.encoding,
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter="\t" if dialect.delimiter == " " else dialect.delimiter, ignore_empty_lines=False,
                invalid_row_handler=self._skip_blank,
            ),
            convert_options=pa_csv.ConvertOptions(
                include_columns=wanted, column_types=types, strings_can_be_null=False, decimal_point=dialect.decimal,
                null_values=_EMPTY,
            ),
        )  # fmt: skip

    def _skip_blank(self, row: pa_csv.InvalidRow) -> str:
        if row.text.strip():
            return "error"
        self._blank.append(row.number or 0)
        return "skip"

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """InputError for whatever pyarrow says about a damaged file."""
        try:
            yield
        except (InputError, GeneratorExit):
            raise
        except Exception as error:  # a damaged file can fail in any way at all
            if self._dialect is not None and not self._as_text and "conversion error" in str(error):
                raise _NotNumbersError from error
            if "Could not skip" in str(error):
                raise InputError(f"{self.file.name}: 0 rows of samples, expected at least 2") from error
            said = one_line(str(error).replace("Row #", "line ").replace("CSV parse error: ", "") or "it is damaged", 160)
            kind = "Parquet" if self.file.suffix == ".parquet" else "CSV"
            raise InputError(f"{self.file.name}: cannot be read as {kind}: {said}") from error


class _NotNumbersError(Exception):
    """A column that should hold numbers holds something else."""


def _whole(column: pa.Array) -> pa.Array:
    """Numbers as text, whole ones without a point: pandas makes 3 a 3.0 where a value is missing."""
    values = column.to_numpy(zero_copy_only=False)
    return pa.array([None if not np.isfinite(v) else f"{v:.0f}" if v == round(v) else f"{v:g}" for v in values], pa.string())


def _is_number(word: Any) -> bool:
    try:
        return word is None or pa.scalar(word).cast(pa.float64()) is not None
    except pa.ArrowInvalid:
        return False


def _why(word: Any) -> str:
    text = str(word)
    if "," in text and text.replace(",", "").replace(".", "").lstrip("+-").isdigit():
        return (
            "; thousands separators are not read: export without them"
            if "." in text
            else "; give decimal=comma for a decimal comma"
        )
    if ":" in text or text.count("-") == 2:
        return "; name it by time= if it is a time"
    return ""
