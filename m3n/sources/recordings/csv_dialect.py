"""How a CSV is written, found out from its first lines: encoding, delimiter, decimal sign, where its names and its samples start.

Loggers and spreadsheets of other countries write `;` between columns and a comma in numbers, put lines about the device above the
names, units below them, or end every line with a delimiter. What is found here is how the file is read; what it means is declared.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from m3n.errors import InputError, shown

_HEAD = 1 << 18  # bytes that are looked at
_LOOKED_AT = 40  # lines of samples that are looked at
_DELIMITERS = (";", "\t", "|", ",", " ")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?$")
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?$")
_SIGNS = {"tab": "\t", "space": " ", "pipe": "|", "comma": ",", "semicolon": ";", "point": "."}
_STAMP = re.compile(r"(?:\d{1,4}[-./]\d{1,2}[-./]\d{1,4}|\d{1,2}:\d{2})")
_OTHER_FILES = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"), (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"\x1f\x8b", "compressed by gzip"), (b"SQLite format 3", "a SQLite database"), (b"PAR1", "a Parquet file"),
    (b"\x89HDF", "an HDF5 file"), (b"MATLAB", "a MATLAB file"), (b"\x93NUMPY", "a NumPy array"), (b"\x80\x04", "a pickle"),
    (b"<", "HTML or XML"), (b"{", "JSON"), (b"%PDF", "a PDF"),
)  # fmt: skip
_NO_NUMBER = {"", "nan", "na", "n/a", "null", "none"}


@dataclass(frozen=True)
class Dialect:
    """How to read a file: its samples start after `skipped` lines."""

    encoding: str
    delimiter: str
    decimal: str
    names: tuple[str, ...]
    skipped: int
    trailing: bool  # every line of samples ends with a delimiter that its line of names lacks
    untold: str  # lines above the samples that are neither names nor empty, for the notes


def found_dialect(
    file: Path, delimiter: str | None, decimal: str | None, skip_rows: int | None, names: list[str] | None
) -> Dialect:
    """The dialect of a file; what is given is taken as it is. InputError for a file without a line of names."""
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise InputError(f"{file.name}: cannot be read ({error.strerror})") from error
    other = next((kind for start, kind in _OTHER_FILES if head.startswith(start)), None)
    if other is not None:
        raise InputError(f"{file.name}: is {other}, no CSV; export the samples as CSV or Parquet")
    encoding = _encoding(head)
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    lines = text.splitlines()
    if len(head) == _HEAD:
        lines = lines[:-1]
    if not any(line.strip() for line in lines):
        raise InputError(f"{file.name}: is empty; expected a line of column names, then a row per sample")
    given, decimal = _SIGNS.get(delimiter or "", delimiter), _SIGNS.get(decimal or "", decimal)
    start = 0
    if lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:  # what Excel writes and reads
        given, start = given or lines[0].strip()[4], 1
    start = start if skip_rows is None else skip_rows
    if start >= len(lines):
        raise InputError(f"{file.name}: skip_rows={start} leaves no line of column names")
    sign = given or _delimiter(lines[start:])
    point = decimal or _decimal(lines[start:], sign)
    rows = [_split(line, sign) for line in lines]
    first = next((k for k in range(start, len(rows)) if _holds_samples(rows[k], point)), None)
    if names is not None:
        data = start if first is None else first
        return Dialect(encoding, sign, point, tuple(names), data, _trailing(rows[data:], len(names)), "")
    if first == start:
        raise InputError(
            f"{file.name}, line {start + 1}: '{shown(lines[start])}' holds numbers, expected the names of the columns; give "
            "names=[time,ax,ay,az,...] for all of them"
        )
    header = _header(rows, start, first, skip_rows)
    found = [name.strip().strip("\ufeff") for name in rows[header]]
    data = header + 1 if first is None else first
    between = [line for line in [*lines[start:header], *lines[header + 1 : data]] if line.strip()]
    return Dialect(encoding, sign, point, tuple(found), data, _trailing(rows[data:], len(found)), shown(" | ".join(between)))


def _encoding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if head[1:400:2].count(0) > 0.4 * len(head[1:400:2]) > 0:
        return "utf-16-le"
    if head[0:400:2].count(0) > 0.4 * len(head[0:400:2]) > 0:
        return "utf-16-be"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return "cp1252"  # Windows: the degree sign, or a squared unit, in a name
    return "utf-8"


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    try:
        return next(csv.reader(io.StringIO(line), delimiter=delimiter), [])
    except (csv.Error, TypeError):
        return line.split(delimiter)


def _delimiter(lines: list[str]) -> str:
    """The first one, from the least likely to stand in numbers and names to the likeliest, that parts most lines alike."""
    looked_at = [line for line in lines if line.strip()][-_LOOKED_AT:]
    for sign in _DELIMITERS:
        counts = Counter(len(_split(line, sign)) for line in looked_at)
        count, times = counts.most_common(1)[0]
        if count >= 3 and times > 0.6 * len(looked_at):
            if sign == "," and all(_DECIMAL_COMMA.match(field) for line in looked_at[-5:] for field in line.split()):
                return " "  # numbers with a decimal comma between blanks
            return sign
    return ","


def _decimal(lines: list[str], delimiter: str) -> str:
    fields = [field.strip() for line in lines[-_LOOKED_AT:] for field in _split(line, delimiter)]
    commas, points = (sum(bool(sign.match(field)) for field in fields) for sign in (_DECIMAL_COMMA, _DECIMAL_POINT))
    return "," if commas > points else "."


def _is_number(field: str, decimal: str) -> bool:
    text = field.strip().strip('"')
    try:
        float(text.replace(",", ".") if decimal == "," else text)
    except ValueError:
        return False
    return text.lower() not in _NO_NUMBER


def _holds_samples(fields: list[str], decimal: str) -> bool:
    """At least two numbers, and as many as words; a time stamp is no word."""
    numbers = sum(_is_number(field, decimal) for field in fields)
    words = sum(
        not _is_number(field, decimal) and field.strip().lower() not in _NO_NUMBER and not _STAMP.search(field)
        for field in fields
    )
    return numbers >= 2 and numbers >= words


def _header(rows: list[list[str]], start: int, first: int | None, skip_rows: int | None) -> int:
    """The line of names: the first of the lines right above the samples that are as long as these."""
    filled = [k for k in range(start, len(rows) if first is None else first) if any(field.strip() for field in rows[k])]
    if skip_rows is not None or first is None or not filled:
        return filled[0] if filled else start
    wide = len(rows[first])
    header = filled[-1]
    for k in reversed(filled):
        if len(rows[k]) in (wide, wide - 1) and not rows[k][0].startswith(("#", "//", "%")):
            header = k
        elif len(rows[k]) not in (wide, wide - 1):
            break
    return header


def _trailing(rows: list[list[str]], width: int) -> bool:
    looked_at = [fields for fields in rows[:_LOOKED_AT] if any(field.strip() for field in fields)]
    return bool(looked_at) and all(len(fields) == width + 1 and not fields[-1].strip() for fields in looked_at)


class RewrittenLines(io.RawIOBase):
    """A text file as UTF-8 with one sign between its columns: runs of blanks become one tab, a delimiter at the end goes."""

    def __init__(self, file: Path, dialect: Dialect) -> None:
        super().__init__()
        self._stream = file.open("r", encoding=dialect.encoding, errors="strict", newline=None)
        self._dialect, self._left = dialect, b""
        self._blocks = self._rewritten()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = block
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _rewritten(self) -> Iterator[bytes]:
        end = re.compile(rf"{re.escape(self._dialect.delimiter)}[ ]*$", re.MULTILINE)
        while lines := self._stream.readlines(1 << 20):
            text = "".join(lines)
            if self._dialect.delimiter == " ":
                text = re.sub(r"^[ \t]+|[ \t]+$", "", text, flags=re.MULTILINE)
                text = re.sub(r"[ \t]+", "\t", text)
            elif self._dialect.trailing:
                text = end.sub("", text)
            yield text.encode()
