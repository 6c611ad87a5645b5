"""`m3n bench NAME`: run one script of `benchmarks/`, show its figures and, with --record, add them to the history.

A benchmark is a file with a docstring, `arguments(parser)`, which adds its options, and `run(options)`, which returns its
figures: name -> number, with the unit as the end of the name. Only the standard library is imported here, because a benchmark
sets the number of threads before it imports NumPy, and because one of them runs on GPU machines that have torch and NumPy
alone.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from m3n import packaged
from m3n.commands.bench import history
from m3n.errors import InputError

Figures = dict[str, float]


def summaries() -> dict[str, str]:
    """Name -> first line of the docstring of every benchmark."""
    return {file.stem: summary(file) for file in sorted(packaged.place("benchmarks").glob("*.py"))}


def summary(file: Path) -> str:
    """The first line of a benchmark's docstring."""
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def run_benchmark(name: str, arguments: Sequence[str]) -> Figures:
    """Run the benchmark of that name, or the one in that file, with the arguments of its command line; returns its figures.

    Raises InputError for an unknown name, for arguments that do not fit, and where the results cannot be recorded.
    """
    file = packaged.find(name, "benchmarks", ".py", "benchmark")
    module = _load(file)
    options = _parser(file, module).parse_args(list(arguments))
    results = _results_folder(options.results) if options.record else None
    where, load = history.circumstances(), history.load_average()
    figures = _checked(file, module.run(options))
    for figure, value in figures.items():
        print(f"{figure:44s} {value:16,.3f}" if isinstance(value, float) else f"{figure:44s} {value:16,d}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if results is not None:
        command = shlex.join(["m3n", "bench", file.stem, *_shown(arguments)])
        record = history.write(results, history.Record(file.stem, command, figures, load_average=load, **where))
        history.write_index(results, summaries() | {file.stem: summary(file)})
        print(f"  -> {record}")
    return figures


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{self.prog}: {message}; its options: {self.prog} --help")


def _parser(file: Path, module: ModuleType) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"m3n bench {file.stem}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.arguments(parser)
    parser.add_argument("--json", type=_writable_file, help="write the figures to this file too")
    parser.add_argument("--record", action="store_true", help="add the figures to the history in benchmarks/results/")
    parser.add_argument("--results", type=Path, metavar="DIR", help="folder of the history, if it is another one")
    return parser


def _writable_file(value: str) -> Path:
    file = Path(value).absolute()
    if file.is_dir() or not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{value} cannot be written: expected a file in a folder that exists")
    return file


def _results_folder(given: Path | None) -> Path:
    if given is None and not packaged.is_checkout():
        raise InputError("--record writes into benchmarks/results/ of a checkout: from an installed m3n, add --results DIR")
    folder = given.absolute() if given is not None else packaged.place("benchmarks") / "results"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--results {folder}: cannot be made: {error.strerror}") from None
    return folder


def _shown(arguments: Sequence[str]) -> list[str]:
    """Arguments without those that only say where figures go, and without the folders of this machine."""
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in ("--json", "--results"):
            next(words, None)
        elif word != "--record" and not word.startswith(("--json=", "--results=")):
            option, equals, value = word.rpartition("=")
            kept.append(option + equals + (Path(value).name if Path(value).is_absolute() else value))
    return kept


def _load(file: Path) -> ModuleType:
    name = f"m3n_benchmark_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    if not callable(getattr(module, "arguments", None)) or not callable(getattr(module, "run", None)):
        raise InputError(f"{file} is not a benchmark: expected the functions arguments(parser) and run(options)")
    return module


def _checked(file: Path, figures: object) -> Figures:
    if not isinstance(figures, dict) or not figures:
        raise InputError(f"{file}: run(options) returned no figures: expected a dict of name -> number")
    for name, value in figures.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise InputError(f"{file}: figure '{name}' is {value!r}: expected a finite number")
    return figures
