"""`m3n bench`: what a benchmark is, what becomes of its figures, and what is wrong in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from places import REPOSITORY

from m3n import packaged
from m3n.cli import main
from m3n.commands.bench import history
from m3n.commands.bench.command import run_benchmark, summaries
from m3n.errors import InputError

TINY = '''
"""How many steps there are.

More about it.
"""

def arguments(parser):
    parser.add_argument("--steps", type=int, default=3, help="so many")
    parser.add_argument("--data")

def run(options):
    return {"steps": options.steps, "half_of_them_s": options.steps / 2}
'''.lstrip()


@pytest.fixture
def tiny(tmp_path) -> Path:
    file = tmp_path / "tiny.py"
    file.write_text(TINY)
    return file


def test_every_benchmark_has_its_two_functions_and_a_line_about_it():
    found = summaries()
    assert found.keys() == {file.stem for file in (REPOSITORY / "benchmarks").glob("*.py")} != set()
    for name, line in found.items():
        assert line.endswith("."), name
        text = (REPOSITORY / "benchmarks" / f"{name}.py").read_text()
        assert "def arguments(parser" in text
        assert "def run(options" in text


def test_without_a_name_the_benchmarks_are_listed(capsys):
    assert main(["bench"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed and line in printed for name, line in summaries().items())


def test_figures_are_returned_printed_and_written(tiny, tmp_path, capsys):
    assert run_benchmark(str(tiny), ["--steps", "5", "--json", str(tmp_path / "f.json")]) == {"steps": 5, "half_of_them_s": 2.5}
    assert json.loads((tmp_path / "f.json").read_text()) == {"steps": 5, "half_of_them_s": 2.5}
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["steps", "5"], ["half_of_them_s", "2.500"]]


def test_a_recorded_run_keeps_what_was_measured_where_and_how(tiny, tmp_path):
    results = tmp_path / "results"
    arguments = ["--steps", "5", "--data", str(tmp_path / "watch.csv")]
    arguments += ["--record", f"--results={results}", "--json", str(tmp_path / "f.json")]
    run_benchmark(str(tiny), arguments)
    (record,) = history.read(results)["tiny"]
    assert record.figures == {"steps": 5, "half_of_them_s": 2.5}
    assert record.command == "m3n bench tiny --steps 5 --data watch.csv"
    assert record.machine["cores"] >= 1
    assert "numpy" in record.versions
    page = (results / "README.md").read_text()
    assert "How many steps there are." in page
    assert "| `half_of_them_s` | 2.5 |" in page


def test_a_benchmarks_own_help_and_mistakes_are_those_of_the_benchmark(tiny, capsys):
    assert main(["bench", str(tiny), "--stepps", "5"]) == 2
    assert "m3n bench tiny: unrecognized arguments: --stepps 5; its options: m3n bench tiny --help" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["bench", str(tiny), "--help"])
    assert ended.value.code == 0
    assert "so many" in capsys.readouterr().out


def test_an_unknown_benchmark_is_named_with_the_nearest():
    with pytest.raises(InputError, match="no benchmark 'simulat', did you mean 'simulate'"):
        run_benchmark("simulat", [])


@pytest.mark.parametrize("figures", ["{}", "None", "{'speed': float('nan')}", "{'speed': 'fast'}", "{'fast': True}"])
def test_what_is_no_figure_is_refused_and_not_recorded(tiny, tmp_path, figures):
    tiny.write_text(TINY.replace('{"steps": options.steps, "half_of_them_s": options.steps / 2}', figures))
    with pytest.raises(InputError, match=r"tiny\.py.*expected a"):
        run_benchmark(str(tiny), ["--record", "--results", str(tmp_path / "results")])
    assert not list((tmp_path / "results").iterdir())


def test_a_file_without_the_two_functions_is_refused(tiny):
    tiny.write_text("x = 1\n")
    with pytest.raises(InputError, match=r"is not a benchmark: expected the functions arguments\(parser\) and run\(options\)"):
        run_benchmark(str(tiny), [])


def test_places_that_cannot_be_written_are_known_before_the_work(tiny, tmp_path, monkeypatch):
    tiny.write_text(TINY.replace("return", "raise AssertionError('it ran')\n    return"))
    with pytest.raises(InputError, match="cannot be written"):
        run_benchmark(str(tiny), ["--json", str(tmp_path / "absent" / "f.json")])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        run_benchmark(str(tiny), ["--record", "--results", str(tmp_path / "file" / "results")])
    monkeypatch.setattr(packaged, "is_checkout", lambda: False)
    with pytest.raises(InputError, match=r"--record writes into benchmarks/results/ of a checkout.*add --results DIR"):
        run_benchmark(str(tiny), ["--record"])
