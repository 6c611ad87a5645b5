"""The journal of a sweep: whatever interrupts it, the sweep resumes as if nothing had happened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from m3n.commands.tune.space import Settings, load_space
from m3n.commands.tune.study import COMPLETE, FAILED, METRIC, OPEN, STOPPED, Study
from m3n.config import TuneConfig
from m3n.errors import InputError

TRIALS = 16


@pytest.fixture
def space(tmp_path):
    file = tmp_path / "space.py"
    file.write_text(
        "FIRST = [{}]\n\ndef space(trial):\n"
        '    trial.suggest_float("finetune.lr", 1e-4, 1e-2, log=True)\n'
        '    if trial.suggest_categorical("finetune.freeze", ["not_frozen", "frozen"]) == "not_frozen":\n'
        '        trial.suggest_float("finetune.encoder_lr", 1e-4, 1e-2, log=True)\n'
    )
    return load_space(str(file), TuneConfig())


def score(settings: Settings) -> float:
    """Best at a low learning rate with nothing frozen."""
    return 1 / (1 + 1000 * settings["finetune.lr"]) + 0.1 * (settings["finetune.freeze"] == "not_frozen")


def run(study: Study, most: int = 10**6) -> Study:
    """Runs trials one at a time: every fifth fails, every fifth is given up."""
    while most and (trial := study.next()) is not None:
        most -= 1
        value, kind = score(trial.settings), trial.number % 5
        state = {3: FAILED, 4: STOPPED}.get(kind, COMPLETE)
        reports = {1: value / 2} | ({} if state == STOPPED else {2: value})
        figures = {METRIC: value, "parameters": 100.0 + trial.number}
        study.ended(trial.number, state, reports, figures if state != FAILED else {}, "lost" if state == FAILED else None)
    return study


def settings_of(study: Study) -> list[Settings]:
    return [trial.settings for trial in study.trials]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("cut", [1, 7, 13])
def test_a_sweep_that_was_cut_off_draws_what_it_would_have_drawn(space, sampler, cut, tmp_path):
    config = TuneConfig(trials=TRIALS, sampler=sampler)
    whole = run(Study(tmp_path / "whole.jsonl", space, config))
    journal = tmp_path / "cut.jsonl"
    run(Study(journal, space, config), most=cut)
    under_way = Study(journal, space, config).next()  # drawn, and its result never told
    again = Study(journal, space, config)
    assert again.of(OPEN)[0].number == under_way.number == cut
    run(again)
    assert settings_of(again) == settings_of(whole)
    assert again.best.number == whole.best.number
    assert again.finished


def test_the_end_of_a_journal_that_was_being_written_is_passed_over(space, tmp_path):
    config, journal = TuneConfig(trials=TRIALS), tmp_path / "journal.jsonl"
    whole = settings_of(run(Study(tmp_path / "whole.jsonl", space, config)))
    run(Study(journal, space, config), most=6)
    with journal.open("a") as file:
        file.write('{"drawn": 6, "sett')
    assert settings_of(run(Study(journal, space, config))) == whole
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_a_finished_sweep_goes_on_to_more_trials_as_one_that_was_to_have_them(space, tmp_path):
    journal = tmp_path / "journal.jsonl"
    assert run(Study(journal, space, TuneConfig(trials=6))).finished
    whole = settings_of(run(Study(tmp_path / "whole.jsonl", space, TuneConfig(trials=TRIALS))))
    assert settings_of(run(Study(journal, space, TuneConfig(trials=TRIALS)))) == whole


def test_trials_at_a_time_are_replayed_in_the_order_in_which_they_came(space, tmp_path):
    config = TuneConfig(trials=TRIALS)

    def two_at_a_time(study: Study, most: int) -> Study:
        running = []
        while most and (trial := study.next()) is not None:
            running.append(trial)
            if len(running) == 2:
                most -= 1
                first = running.pop(trial.number % 2)
                study.ended(first.number, COMPLETE, {1: 0.5}, {METRIC: score(first.settings)}, None)
        return study

    whole = two_at_a_time(Study(tmp_path / "whole.jsonl", space, config), 10**6)
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_text("".join(lines[:21]))
    assert (
        settings_of(Study(tmp_path / "cut.jsonl", space, config)) == settings_of(whole)[: sum("drawn" in x for x in lines[:21])]
    )


def test_a_journal_of_another_sampler_is_refused(space, tmp_path):
    run(Study(tmp_path / "journal.jsonl", space, TuneConfig(trials=4, seed=1)))
    with pytest.raises(InputError, match="draws other settings for trial 1 than the journal has"):
        Study(tmp_path / "journal.jsonl", space, TuneConfig(trials=4, seed=2))


def test_hours_count_without_the_time_in_between(space, tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("m3n.commands.tune.study.time.monotonic", lambda: clock[0])
    config, journal = TuneConfig(hours=1), tmp_path / "journal.jsonl"
    study = Study(journal, space, config)
    for seconds in (1000, 1000):
        clock[0] += seconds
        run(study, most=1)
    clock[0] += 50_000  # nothing runs
    study = Study(journal, space, config)
    clock[0] += 1500
    assert not study.spent
    clock[0] += 101
    assert study.spent
    assert study.next() is None


def test_hours_and_trials_are_a_budget_whichever_is_spent_first(space, tmp_path):
    assert len(run(Study(tmp_path / "a", space, TuneConfig(trials=3, hours=1))).trials) == 3
    assert len(run(Study(tmp_path / "b", space, TuneConfig())).trials) == 8


def test_a_grid_ends_by_itself(space, tmp_path):
    study = run(Study(tmp_path / "journal", space, TuneConfig(sampler="grid", grid_points=2, trials=100)))
    assert len(study.trials) == 1 + 2 * 2 + 2  # FIRST, none x rate x rate, all x rate
    assert len({json.dumps(settings, sort_keys=True) for settings in settings_of(study)}) == len(study.trials)


def test_the_front_is_of_trials_that_none_beats_in_everything(space, tmp_path):
    study = Study(tmp_path / "journal", space, TuneConfig(trials=5, objectives=["parameters"]))
    for f1, parameters in ((0.5, 10), (0.6, 20), (0.6, 30), (0.4, 5), (0.3, 40)):
        number = study.next().number
        study.ended(number, COMPLETE, {1: f1}, {METRIC: f1, "parameters": parameters}, None)
    assert [trial.number for trial in study.front()] == [1, 0, 3]
    assert Study(tmp_path / "journal", space, TuneConfig(trials=5, objectives=["parameters"])).front() == study.front()


def test_of_equal_trials_the_first_is_the_best(space, tmp_path):
    study = Study(tmp_path / "journal", space, TuneConfig(trials=3))
    for _ in range(3):
        study.ended(study.next().number, COMPLETE, {1: 0.5}, {METRIC: 0.5}, None)
    assert study.best.number == 0
    assert Path(tmp_path / "journal").is_file()
