"""However a CSV is written, the same samples come out of it, or a line that says what to give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from logger_files import HEADER, ingested, lines, refused, write

from m3n.sources.shared.ingest_notes import Notes

TEXT = "\n".join(lines()) + "\n"
ROWS = TEXT.split("\n", 1)[1]


def semicolons(text: str) -> str:
    return text.replace(",", ";").replace(".", ",")


def rewritten(text: str, line_of: Callable[[list[str]], str]) -> str:
    return "\n".join(line_of(line.split(",")) for line in text.splitlines()) + "\n"


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> np.ndarray:
    return ingested(write(tmp_path_factory.mktemp("plain") / "a.csv", TEXT))[0]["imu_right_wrist"]


@pytest.mark.parametrize(
    ("change", "encoding"),
    [
        pytest.param(lambda t: t.replace(HEADER, "time, ax, ay , az,gx,gy,gz"), "utf-8", id="blanks in the header"),
        pytest.param(lambda t: t.replace(HEADER, "Time,aX,aY,aZ,gX,gY,gZ"), "utf-8", id="capital letters"),
        pytest.param(lambda t: t, "utf-16", id="UTF-16"),
        pytest.param(lambda t: t, "utf-16-le", id="UTF-16 without a mark"),
        pytest.param(lambda t: t, "utf-8-sig", id="UTF-8 with a mark"),
        pytest.param(
            lambda t: t.replace("\n", ",21.5\n").replace(f"{HEADER},21.5", f"{HEADER},temperature °C"), "cp1252", id="Windows"
        ),
        pytest.param(semicolons, "utf-8", id="decimal comma"),
        pytest.param(lambda t: t.replace(",", "\t").replace(".", ","), "utf-8", id="decimal comma and tabs"),
        pytest.param(lambda t: semicolons(t).replace("\n", ";\n"), "utf-8", id="every line ends with a delimiter"),
        pytest.param(
            lambda t: t.replace("\n", ",\n").replace(f"{HEADER},\n", f"{HEADER}\n"), "utf-8", id="rows end with a delimiter"
        ),
        pytest.param(lambda t: t.replace(",", " "), "utf-8", id="blanks"),
        pytest.param(lambda t: rewritten(t, lambda words: "  " + "".join(word.rjust(13) for word in words)), "utf-8", id="in line"),
        pytest.param(lambda t: "Device: X1\nRate, 50 Hz\n\n" + t, "utf-8", id="lines about the device"),
        pytest.param(lambda t: "# device\n# rate, 50, Hz\n" + t, "utf-8", id="comments"),
        pytest.param(lambda t: t.replace(HEADER, f"{HEADER}\ns,m/s2,m/s2,m/s2,rad/s,rad/s,rad/s"), "utf-8", id="a line of units"),
        pytest.param(lambda t: "sep=;\n" + semicolons(t), "utf-8", id="Excel's first line"),
        pytest.param(lambda t: t.replace("\n", "\r\n"), "utf-8", id="Windows line ends"),
        pytest.param(lambda t: rewritten(t, lambda words: ",".join(f'"{word}"' for word in words)), "utf-8", id="quotes"),
        pytest.param(lambda t: t.replace(",0.", ",.").replace(",-0.", ",-."), "utf-8", id="no leading zeros"),
        pytest.param(lambda t: t + "\n\n", "utf-8", id="empty lines at the end"),
        pytest.param(lambda t: t.replace("\n", "\n\n"), "utf-8", id="every second line empty"),
    ],
)  # fmt: skip
def test_one_recording_however_it_is_written(
    tmp_path: Path, expected: np.ndarray, change: Callable[[str], str], encoding: str
) -> None:
    (row,) = ingested(write(tmp_path / "a.csv", change(TEXT), encoding))
    assert row["rate_hz"] == 50.0
    np.testing.assert_array_equal(row["imu_right_wrist"], expected)


def test_a_file_without_names_asks_for_them_and_takes_them(tmp_path: Path, expected: np.ndarray) -> None:
    file = write(tmp_path / "a.csv", ROWS)
    assert "a.csv, line 1: '0,-1.5" in refused(file)
    assert "holds numbers, expected the names of the columns; give names=[time,ax,ay,az,...]" in refused(file)
    np.testing.assert_array_equal(ingested(file, names=HEADER.split(","))[0]["imu_right_wrist"], expected)


def test_lines_above_the_names_can_be_given_and_are_noted_where_found(tmp_path: Path, expected: np.ndarray) -> None:
    file = write(tmp_path / "a.csv", "1,2,3\n4,5,6\n" + TEXT)
    np.testing.assert_array_equal(ingested(file, skip_rows=2)[0]["imu_right_wrist"], expected)
    notes = Notes()
    ingested(write(tmp_path / "b.csv", "Device X1\n" + TEXT), notes)
    assert notes.facts()["notes"]["lines above the samples that are no names"]["first"] == ["b.csv: Device X1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace(lines()[700], '13.98,"1,234.5",0,0,0,0,0'), "a number; thousands separators are not read"),
        (semicolons(TEXT).replace(semicolons(lines()[700]), "13,98;1.234,5;0;0;0;0;0"), "line 701: '1.234,5' stands in the column"),
        (TEXT.replace(lines()[700], "13.98,x,0,0,0,0,0"), "a.csv, line 701: 'x' stands in the column ax, expected a number"),
        (TEXT.replace(lines()[700], lines()[700] + ",9"), "line 701: Expected 7 columns, got 8"),
        ("Device X1\n" + TEXT.replace(lines()[700], "13.98,x,0,0,0,0,0"), "a.csv, line 702: 'x'"),
        (TEXT[:-20], "line 1001: Expected 7 columns"),
        ("", "is empty; expected a line of column names"),
        ("PK\x03\x04 and so on\n" * 9, "is a zip archive or an Excel workbook, no CSV; export the samples as CSV or Parquet"),
        ("<html><body>404</body></html>\n" * 9, "is HTML or XML, no CSV"),
        ('{"ax": [1, 2]}\n', "is JSON, no CSV"),
        (f"{HEADER}\n", "0 rows of samples, expected at least 2"),
    ],
)  # fmt: skip
def test_a_message_names_the_line_as_an_editor_counts_it(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(write(tmp_path / "a.csv", text))


def test_a_quoted_decimal_comma_between_commas_is_found_and_may_be_stated(tmp_path: Path, expected: np.ndarray) -> None:
    head, *rest = TEXT.splitlines()
    quoted = [",".join('"{}"'.format(word.replace(".", ",")) for word in line.split(",")) for line in rest]
    file = write(tmp_path / "a.csv", [head, *quoted])
    for stated in ({}, {"decimal": "comma", "delimiter": "comma"}):
        np.testing.assert_array_equal(ingested(file, **stated)[0]["imu_right_wrist"], expected)


def test_decimal_commas_are_found_in_quotes_and_between_blanks_and_so_are_bars_and_unicode_minus(
    tmp_path: Path, expected: np.ndarray
) -> None:
    rows = [line.split(",") for line in lines()]
    commas = [[field.replace(".", ",") for field in row] for row in rows]
    written = {
        "quoted.csv": [",".join(row) if k == 0 else ",".join(f'"{field}"' for field in row) for k, row in enumerate(commas)],
        "blanks.txt": [" ".join(row) for row in commas],
        "bars.csv": ["|".join(row) for row in rows],
        "minus.csv": [line.replace("-", "\u2212") for line in lines()],
    }
    for name, text in written.items():
        (row,) = ingested(write(tmp_path / name, text))
        np.testing.assert_allclose(np.asarray(row["imu_right_wrist"]), expected, atol=1e-4, err_msg=name)
