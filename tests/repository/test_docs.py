"""What the docs say can be done: every link leads somewhere, every command of m3n that they show exists with all its settings."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from commands import check_command
from places import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as its viewers make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
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
    missing = [page.name for page in PAGES[1:] if page.name != "README.md" and f"({page.name})" not in index]
    assert not missing, f"docs/README.md does not mention {missing}"


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
