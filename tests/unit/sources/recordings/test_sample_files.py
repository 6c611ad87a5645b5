"""Rows in batches, numbers and words, and the number of a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from logger_files import HEADER, lines, write

from m3n.errors import InputError
from m3n.sources.recordings.sample_files import SampleFile
from m3n.sources.recordings.table_options import Options

NAMES = HEADER.split(",")


def test_every_row_comes_once_whatever_the_size_of_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m3n.sources.recordings.sample_files._BATCH_ROWS", 33)
    file = SampleFile(write(tmp_path / "a.csv", lines()), Options())
    batches = list(file.batches(NAMES, set(NAMES)))
    assert [first for first, _ in batches] == list(range(0, 1000, 33))
    times = np.concatenate([file.numbers(batch, "time", first) for first, batch in batches])
    np.testing.assert_allclose(times, np.arange(1000) / 50)
    file.reverse()
    backwards = np.concatenate([file.numbers(batch, "time", first) for first, batch in file.batches(NAMES, set(NAMES))])
    np.testing.assert_array_equal(backwards, times[::-1])
    assert file.line(0) == "a.csv, line 1001"


def test_a_word_among_numbers_is_named_with_its_line_though_earlier_batches_were_numbers(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("m3n.sources.recordings.sample_files._BATCH_ROWS", 100)
    monkeypatch.setattr("m3n.sources.recordings.sample_files._BLOCK_BYTES", 4096)
    text = lines()
    text[900] = text[900].replace(",", ",x", 1)
    file = SampleFile(write(tmp_path / "a.csv", text), Options())
    seen: list[int] = []

    def read() -> None:
        for first, batch in file.batches(NAMES, set(NAMES)):
            seen.extend(range(first, first + batch.num_rows))
            for name in NAMES:
                file.numbers(batch, name, first)

    with pytest.raises(InputError, match=r"a\.csv, line 901: 'x.*' stands in the column ax, expected a number"):
        read()
    assert seen == list(range(len(seen)))
    assert len(seen) >= 800


def test_empty_rows_are_those_without_any_value(tmp_path: Path) -> None:
    text = lines()
    file = SampleFile(write(tmp_path / "a.csv", [*text[:3], "", ",,,,,,", "1,,,,,,", *text[3:6]]), Options())
    ((_, batch),) = file.batches(NAMES, set(NAMES))
    assert file.empty_rows(batch).tolist() == [False, False, True, True, False, False, False, False]
