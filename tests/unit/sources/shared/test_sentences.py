"""Sentences of classes: of the sources' own files, of a user's, and what is said about those that lack one."""

from __future__ import annotations

from pathlib import Path

import pytest

from m3n.errors import InputError
from m3n.sources.shared.sentences import class_sentences, label_sentence, sentences


def test_utd_mhads_actions_have_sentences() -> None:
    found = sentences("utd_mhad")
    assert len(found) == 27
    assert all(line.endswith(".") for lines in found.values() for line in lines)
    assert sentences("no such source") == {}


def test_a_name_cannot_lead_out_of_the_folder() -> None:
    assert sentences("../texts/utd_mhad") == sentences("utd_mhad")


def test_a_file_of_ones_own_is_read_and_only_the_classes_come_back(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("walk: [a person walks]\nrun: [a person runs, somebody runs]\n")
    assert class_sentences(str(file), (), ["run"], "…") == {"run": ["a person runs", "somebody runs"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("walk: [a person walks]\n", "no sentence for the label 'run'"),
        ("run: a person runs\n", "label 'run' holds"),
        ("run: []\n", "label 'run' holds"),
        ("- run\n", "found a list"),
        ("run: [\n", "is not valid YAML"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        class_sentences(str(file), (), ["run"], "leave it out")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the sentences of .*none.yaml"):
        class_sentences(str(tmp_path / "none.yaml"), (), ["run"], "leave it out")


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("WALKING", "A person is walking."),
        ("walking_upstairs", "A person is walking upstairs."),
        ("sit_to_stand", "A person is doing: sit to stand."),
        ("ArmCurl-2", "A person is doing: arm curl."),
        ("7", ""),
        ("Null", ""),
        ("other", ""),
    ],
)
def test_a_label_without_sentences_is_described_by_its_words(label, sentence) -> None:
    assert label_sentence(label) == sentence
