"""Who may import whom (the map of the house), and what stays out of memory until it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import m3n

PACKAGE = Path(m3n.__file__).resolve().parent
ROOT = PACKAGE.parent
FILES = sorted(PACKAGE.rglob("*.py")) + sorted((ROOT / "jobs").glob("*.py"))

# The floors of the house, lowest first: a room may import from its own floor and from those below it.
FLOORS = (
    ("errors", "logins", "packaged", "randomness", "progress", "schema"),
    ("config", "io", "untrusted", "body", "motion"),
    ("imu", "sources", "data", "video"),
    ("models", "losses", "freeze", "optim"),
    ("training",),
    ("evaluation", "cluster", "tracking", "export", "reports"),
    ("commands", "classifier", "encoder"),
    ("cli", "__main__", "jobs"),
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# Datasets and formats are known by name to the sources alone; only commands and what is above them may ask for one.
MAY_USE_SOURCES = {"sources", "commands", "cli", "jobs"}
# Folders whose files carry the names of the commands: there the folder says which is meant.
ONE_FILE_PER_COMMAND = {"config", "imu", "cluster", "training", "commands"}


def room_of(file: Path) -> str:
    """The room a file belongs to: the folder or module directly below `m3n`, or "jobs"; "" for m3n/__init__.py."""
    if PACKAGE not in file.parents:
        return "jobs"
    first = file.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def imported_names(tree: ast.AST, type_checking: bool = False) -> Iterator[str]:
    """Dotted names of everything that is imported, at any depth; under `if TYPE_CHECKING` only where `type_checking`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from imported_names(ast.Module((node.body if type_checking else []) + node.orelse, []), type_checking)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imported_names(node, type_checking)


@cache
def imports(file: Path, type_checking: bool = False) -> frozenset[str]:
    return frozenset(imported_names(ast.parse(file.read_text(encoding="utf-8")), type_checking))


def rooms_used(file: Path) -> set[str]:
    """Rooms of m3n that a file imports from, its own left out."""
    used = {name.split(".")[1] for name in imports(file) if name.startswith("m3n.")}
    return {room for room in used if room not in (room_of(file), "__version__")}


def module_of(file: Path) -> str:
    """The dotted name of a file of the package."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_every_room_has_its_place():
    assert {room_of(file) for file in FILES} <= {*FLOOR_OF, ""}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_imports_only_from_its_own_floor_and_lower_ones(file):
    room = room_of(file)
    for used in rooms_used(file):
        if room == "":
            pytest.fail(f"m3n/__init__.py imports {used} at once: `import m3n` must stay quick")
        assert FLOOR_OF[used] <= FLOOR_OF[room], f"{room} imports {used}, which is above it"
        assert used != "sources" or room in MAY_USE_SOURCES, f"{room} knows about datasets"


def test_no_two_rooms_import_each_other():
    used = {room_of(file): set() for file in FILES}
    for file in FILES:
        used[room_of(file)] |= rooms_used(file)
    assert [(a, b) for a, others in used.items() for b in others if a in used.get(b, ())] == []


def test_no_module_imports_itself_through_others_not_even_for_type_checkers():
    modules = {module_of(file): file for file in FILES if PACKAGE in file.parents}
    used = {}
    for module, file in modules.items():
        names = {name.rpartition(".")[0] if name not in modules else name for name in imports(file, type_checking=True)}
        used[module] = {name for name in names if name in modules and name != module}
    order = TopologicalSorter(used)
    order.prepare()  # CycleError names the circle


def test_no_two_files_have_one_stem_unless_their_folders_say_why():
    by_stem: dict[str, list[Path]] = {}
    for file in FILES:
        if PACKAGE in file.parents and file.stem != "__init__":
            by_stem.setdefault(file.stem, []).append(file)
    commands = {file.stem for file in (PACKAGE / "config").glob("*.py")}
    for stem, files in by_stem.items():
        rooms = {room_of(file) for file in files}
        parts_of_a_command = [file for file in files if file.parents[1] == PACKAGE / "commands"]
        named_by_folder = (
            (stem in commands and rooms <= ONE_FILE_PER_COMMAND)
            or len(files) - len(parts_of_a_command) <= 1
            or rooms == {"classifier", "training"}  # the door for scikit-learn, and the code behind it
        )
        assert named_by_folder, f"{', '.join(str(f.relative_to(PACKAGE)) for f in files)}: one name for several things"


@pytest.mark.parametrize(("package", "rooms"), [("ray", {"cluster"}), ("mlflow", {"tracking"})])
def test_one_room_only_knows_the_cluster_and_one_the_tracker(package, rooms):
    found = {room_of(file) for file in FILES if package in {name.split(".")[0] for name in imports(file)}}
    assert found == rooms


def test_the_rules_see_lazy_imports_and_pass_over_those_for_type_checkers():
    source = "if TYPE_CHECKING:\n    import a\nelse:\n    import b\ndef f():\n    from m3n.cluster import c\n"
    assert set(imported_names(ast.parse(source))) == {"b", "m3n.cluster.c"}


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, cwd=ROOT)


def test_models_losses_and_freezing_need_torch_and_numpy_alone():
    script = """
import sys

class Refuse:
    NAMES = {"pyarrow", "pydantic", "ray", "mlflow", "scipy", "sklearn", "safetensors", "click", "rich",
             "matplotlib", "pandas", "yaml", "optuna", "sentence_transformers", "transformers"}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.NAMES:
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Refuse())
import torch
import m3n.models, m3n.losses, m3n.freeze
net = m3n.models.Multi3Net(["right_wrist"], 135, 384, width=16, depth=1, embedding=16)
batch = {"imu_bpt6": torch.randn(2, 1, 100, 6), "pose_bfd": torch.randn(2, 30, 135), "text_bc": torch.randn(2, 384)}
batch |= {"worn_bp": torch.ones(2, 1, dtype=torch.bool), "keys_bk": torch.tensor([[0, 0], [1, 1]])}
batch |= {"ideal_bpt6": batch["imu_bpt6"], "clean_bpt6": batch["imu_bpt6"]}
loss = m3n.losses.MultiTaskLoss({"text_imu": 1.0, "pose2imu": 1.0}, 0.07, ("right_wrist",))
loss(net(batch), batch)["total"].backward()
print("trained")
"""
    assert run_python("-c", script).stdout.strip() == "trained"


def test_help_starts_without_anything_heavy():
    done = run_python("-X", "importtime", str(Path(sys.executable).with_name("m3n")), "--help")
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "click" in imported
    assert imported & {"torch", "ray", "mlflow", "numpy", "pyarrow", "pydantic", "scipy", "sklearn", "matplotlib"} == set()
    assert "finetune" in done.stdout


def test_importing_m3n_imports_nothing_heavy_until_a_name_is_used():
    script = "import sys, m3n; before = 'numpy' in sys.modules; m3n.simulate; "
    script += "print(before, *(n in sys.modules for n in ('numpy', 'ray')))"
    assert run_python("-c", script).stdout.split() == ["False", "True", "False"]
