"""What the docs say can be done, and is short enough to be read: links, commands, examples, lengths and the glossary."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from commands import check_command
from places import REPOSITORY

from m3n import schema

DOCS = sorted((REPOSITORY / "docs").glob("*.md"))
PAGES = [REPOSITORY / "README.md", *DOCS]
LINKED = [*PAGES, REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "CHANGELOG.md"]
README_LINES = 100
PAGE_WORDS = 900
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
RUNNABLE = [REPOSITORY / "docs" / f"{page}.md" for page in ("own_poses", "simulator", "placements")]  # they need no file


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as its viewers make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def words(page: Path) -> tuple[int, int]:
    """How many words a page has in its prose, and how many in its tables; code counts for neither."""
    lines = FENCE.sub("", page.read_text(encoding="utf-8")).splitlines()
    tables = [line for line in lines if line.lstrip().startswith("|")]
    prose = [line for line in lines if not line.startswith("    ") and line not in tables]
    return len(" ".join(prose).split()), len(" ".join(tables).split())


@pytest.mark.parametrize("page", LINKED, ids=name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    for target in (target for target in targets if "://" not in target and not target.startswith("mailto:")):
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        assert file.exists(), f"{name(page)} links to {target}"
        assert REPOSITORY in (file, *file.parents), f"{name(page)} links out of the repository: {target}"
        if anchor:
            assert anchor in anchors(file), f"{name(page)} links to {target}, a heading that is not there"


def test_every_page_can_be_reached_from_the_index() -> None:
    index = (REPOSITORY / "docs" / "README.md").read_text(encoding="utf-8")
    missing = [page.name for page in DOCS if page.name != "README.md" and f"({page.name})" not in index]
    assert not missing, f"docs/README.md does not mention {missing}"


def test_every_picture_is_shown_by_a_page() -> None:
    shown = {match for page in PAGES for match in re.findall(r"images/([\w.]+)\)", page.read_text(encoding="utf-8"))}
    assert {picture.name for picture in (REPOSITORY / "docs" / "images").iterdir()} == shown


def test_the_readme_fits_into_a_hundred_lines() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


@pytest.mark.parametrize("page", DOCS, ids=name)
def test_a_page_is_short_unless_it_is_a_reference_table(page: Path) -> None:
    prose, tables = words(page)
    assert prose <= PAGE_WORDS or tables > prose, f"{name(page)} has {prose} words: split it by topic, or cut it"


def test_the_glossary_defines_every_column() -> None:
    glossary = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in glossary.splitlines() if line.startswith("| `")]
    defined = {word for cell in rows for word in re.findall(r"`([^`]+)`", cell)}
    tables = (schema.POSE_CLIPS, schema.synthetic_clips(schema.PLACEMENTS), schema.imu_recordings())
    columns = {field.name for table in tables for field in table} | {field.name for field in schema.SEGMENTS.value_type}
    assert columns <= defined, f"docs/glossary.md does not define {sorted(columns - defined)}"


def shown_commands(page: Path) -> list[str]:
    """Lines of code blocks that run m3n or a script of `jobs/`, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
    blocks = [*FENCE.findall(text), *re.findall(r"(?:^    .*\n?)+", FENCE.sub("", text), re.M)]
    found = []
    for line in "\n".join(blocks).splitlines():
        command = line.strip().removeprefix("$ ").split("  #")[0].strip()
        if match := re.match(r"(?:ray job submit .*-- )?python (jobs/\w+\.py .*)", command):
            found.append(match[1])
        elif re.match(r"m3n [a-z-]", command):
            found.append(command)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_exists_with_its_settings(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    for command in shown_commands(page):
        if "…" in command or "..." in command or "[KEY" in command:
            continue
        try:
            check_command(shlex.split(command))
        except Exception as error:
            pytest.fail(f"{name(page)}: {command}\n{type(error).__name__}: {error}")


@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_a_first_example_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    example = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)[0]
    exec(compile(example, name(page), "exec"), {})


def test_the_readme_example_tells_slow_from_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.S)
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out.split("\n")[-2] == "['slow' 'slow']"
