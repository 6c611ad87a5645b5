"""The losses against hand-written loops, and what they must not compare."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from m3n.errors import InputError
from m3n.losses import MultiTaskLoss, info_nce, same_group, siglip

TEMPERATURE = 0.07
NAMES = ("text_imu", "text_pose", "imu_pose", "left_right", "pose2imu", "reconstruction")
WRISTS = ("left_wrist", "right_wrist")


def unit(*shape: int, seed: int = 0) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(x, dim=-1)


def looped(a: Tensor, b: Tensor, same: np.ndarray, valid: np.ndarray | None = None) -> float:
    """InfoNCE as the paper writes it, one row at a time: -log of the pair's share among itself and its negatives."""
    x, y = a.numpy(), b.numpy()
    n = len(x)
    rows = [i for i in range(n) if valid is None or valid[i]]
    total = 0.0
    for first, second in ((x, y), (y, x)):
        for i in rows:
            score = [math.exp(float(first[i] @ second[j]) / TEMPERATURE) for j in rows if j == i or not same[i, j]]
            total -= math.log(math.exp(float(first[i] @ second[i]) / TEMPERATURE) / sum(score))
    return total / 2 / len(rows)


def only_itself(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.bool)


def test_info_nce_equals_a_loop():
    a, b = unit(7, 5), unit(7, 5, seed=1)
    assert float(info_nce(a, b, only_itself(7), TEMPERATURE)) == pytest.approx(looped(a, b, np.eye(7, dtype=bool)), rel=1e-9)


def test_info_nce_equals_a_loop_with_groups_and_rows_left_out():
    a, b = unit(8, 5), unit(8, 5, seed=1)
    keys = torch.tensor([[0, 0], [0, 1], [1, 0], [2, 2], [3, -1], [4, -1], [5, 5], [5, 6]])
    same, valid = same_group(keys, keys), keys[:, 1] >= 0
    expected = looped(a, b, same.numpy(), valid.numpy())
    assert float(info_nce(a, b, same, TEMPERATURE, valid_b=valid)) == pytest.approx(expected, rel=1e-9)
    assert expected != pytest.approx(looped(a, b, np.eye(8, dtype=bool)), rel=1e-3)


def test_aligned_pairs_cost_nothing_and_indistinguishable_ones_log_n():
    pairs = torch.eye(6, dtype=torch.float64)
    assert float(info_nce(pairs, pairs, only_itself(6), 0.01)) == pytest.approx(0, abs=1e-12)
    alike = torch.ones(6, 4, dtype=torch.float64) / 2
    assert float(info_nce(alike, alike, only_itself(6), TEMPERATURE)) == pytest.approx(math.log(6), rel=1e-9)


def test_windows_agree_in_clip_sentence_or_label_and_none_agrees_with_none():
    keys = torch.tensor([[0, 5, -1], [0, 6, 1], [1, 5, -1], [2, -1, -1], [3, -1, 1]])
    expected = [[1, 1, 1, 0, 0], [1, 1, 0, 0, 1], [1, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 1, 0, 0, 1]]
    assert same_group(keys, keys).int().tolist() == expected


@pytest.mark.parametrize(
    "keys", [[[0, 0], [0, 1]], [[0, 0], [1, 0]], [[0, 0, 3], [1, 1, 3]]], ids=["clip", "sentence", "label"]
)
def test_windows_of_one_group_are_never_each_others_negatives(keys):
    keys = torch.tensor([*keys, [7] * len(keys[0])])
    similarity, basis = unit(3, 3), torch.eye(3, dtype=torch.float64)  # a @ I = a: every pair's similarity can be set alone
    same = same_group(keys, keys)
    before = info_nce(similarity, basis, same, TEMPERATURE)
    for i, j, matters in ((0, 1, False), (1, 0, False), (0, 2, True), (2, 1, True), (1, 1, True)):
        changed = similarity.clone()
        changed[i, j] += 0.3
        assert (abs(float(info_nce(changed, basis, same, TEMPERATURE) - before)) > 1e-6) == matters, (i, j)


def test_rows_without_text_take_no_part_neither_as_pairs_nor_as_negatives():
    a, b, valid = unit(6, 4), unit(6, 4, seed=1), torch.tensor([True, True, False, True, True, False])
    with_them = info_nce(a, b, only_itself(6), TEMPERATURE, valid_b=valid)
    without = info_nce(a[valid], b[valid], only_itself(4), TEMPERATURE)
    assert float(with_them) == pytest.approx(float(without), rel=1e-12)
    a.requires_grad_(True)
    info_nce(a, b, only_itself(6), TEMPERATURE, valid_b=valid).backward()
    assert (a.grad[~valid] == 0).all()
    assert (a.grad[valid].abs().sum(1) > 0).all()


def test_a_batch_without_any_text_costs_nothing_and_pushes_nowhere():
    a = unit(4, 3).requires_grad_(True)
    loss = info_nce(a, unit(4, 3, seed=1), only_itself(4), TEMPERATURE, valid_b=torch.zeros(4, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert (a.grad == 0).all()


def test_the_gradient_is_that_of_finite_differences():
    a, b = unit(5, 3).requires_grad_(True), unit(5, 3, seed=1).requires_grad_(True)
    keys = torch.tensor([[0, 0], [0, 1], [1, -1], [2, 2], [3, 2]])
    same, valid = same_group(keys, keys), keys[:, 1] >= 0
    assert torch.autograd.gradcheck(lambda x, y: info_nce(x, y, same, 0.5, valid_b=valid), (a, b))


def test_the_mean_over_workers_is_the_loss_of_the_global_batch():
    a, b = unit(6, 4), unit(6, 4, seed=1)
    keys = torch.tensor([[0, 0], [0, 1], [1, 0], [2, 2], [3, -1], [4, 4]])
    same, valid = same_group(keys, keys), keys[:, 1] >= 0
    whole = [a, b, valid]

    def gather(part: Tensor) -> Tensor:
        return next(x for x in whole if x.shape[1:] == part.shape[1:] and any(torch.equal(p, part) for p in x.split(3)))

    parts = [
        info_nce(a[i : i + 3], b[i : i + 3], same[i : i + 3], TEMPERATURE, valid_b=valid[i : i + 3], rank=i // 3, gather=gather)
        for i in (0, 3)
    ]
    expected = info_nce(a, b, same, TEMPERATURE, valid_b=valid)
    assert float(sum(parts)) / 2 == pytest.approx(float(expected), rel=1e-12)


def example(b: int = 6, p: int = 2, t: int = 10, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    out = {f"{name}_be": unit(b, 4, seed=seed + i) for i, name in enumerate(("text", "pose", "imu"))}
    out |= {"imu_bpe": unit(b, p, 4, seed=seed + 4)}
    out |= {"pose2imu_bpt6": unit(b, p, t, 6, seed=seed + 5), "reconstruction_bpt6": unit(b, p, t, 6, seed=seed + 6)}
    batch = {"keys_bk": torch.tensor([[i, i if i else -1, i // 2] for i in range(b)])}
    batch |= {"ideal_bpt6": unit(b, p, t, 6, seed=seed + 7), "clean_bpt6": unit(b, p, t, 6, seed=seed + 8)}
    return out, batch


def test_every_loss_compares_what_its_name_says():
    out, batch = example()
    found = MultiTaskLoss(dict.fromkeys(NAMES, 1.0), TEMPERATURE, WRISTS)(out, batch)
    same = same_group(batch["keys_bk"], batch["keys_bk"]).numpy()
    text = batch["keys_bk"][:, 1].numpy() >= 0
    left, right = out["imu_bpe"].unbind(1)
    expected = {
        "text_imu": looped(out["text_be"], out["imu_be"], same, text),
        "text_pose": looped(out["text_be"], out["pose_be"], same, text),
        "imu_pose": looped(out["imu_be"], out["pose_be"], same),
        "left_right": looped(left, right, same),
        "pose2imu": float(np.mean((out["pose2imu_bpt6"].numpy() - batch["ideal_bpt6"].numpy()) ** 2)),
        "reconstruction": float(np.mean((out["reconstruction_bpt6"].numpy() - batch["clean_bpt6"].numpy()) ** 2)),
    }
    assert {name: float(value) for name, value in found.items() if name != "total"} == pytest.approx(expected, rel=1e-9)


def test_other_activities_of_a_clip_are_negatives_of_its_sentences_but_not_of_its_signals():
    out, batch = example()
    batch["keys_bk"] = torch.tensor([[0, 0, 0], [0, 1, 1], [0, 2, 0], [1, 3, 2], [1, -1, -1], [1, 3, 2]])
    clip, label = (torch.tensor(x)[:, None] == torch.tensor(x) for x in ([0, 0, 0, 1, 1, 1], [0, 1, 0, 2, 3, 2]))
    found = MultiTaskLoss(dict.fromkeys(NAMES, 1.0), TEMPERATURE, WRISTS)(out, batch)
    text = np.array([True] * 4 + [False, True])
    assert float(found["text_imu"]) == pytest.approx(looped(out["text_be"], out["imu_be"], label.numpy(), text), rel=1e-9)
    assert float(found["imu_pose"]) == pytest.approx(looped(out["imu_be"], out["pose_be"], clip.numpy()), rel=1e-9)


def test_the_total_is_the_weighted_sum():
    out, batch = example()
    weights = dict(zip(NAMES, (1.0, 0.5, 2.0, 0.25, 3.0, 0.1), strict=True))
    found = MultiTaskLoss(weights, TEMPERATURE, WRISTS)(out, batch)
    assert set(found) == {*NAMES, "total"}
    assert float(found["total"]) == pytest.approx(sum(weights[n] * float(found[n]) for n in NAMES), rel=1e-9)


def test_a_loss_of_weight_zero_is_not_computed():
    out, batch = example()
    del out["pose2imu_bpt6"], out["text_be"]
    weights = dict.fromkeys(NAMES, 1.0) | {"text_imu": 0.0, "text_pose": 0.0, "pose2imu": 0.0}
    assert set(MultiTaskLoss(weights, TEMPERATURE, WRISTS)(out, batch)) == {"imu_pose", "left_right", "reconstruction", "total"}


def test_left_and_right_are_found_by_name_and_dropped_where_one_is_missing():
    out, batch = example(p=3)
    weights = dict.fromkeys(NAMES, 1.0)
    swapped = MultiTaskLoss(weights, TEMPERATURE, ("right_wrist", "head", "left_wrist"))(out, batch)
    same = same_group(batch["keys_bk"], batch["keys_bk"]).numpy()
    assert float(swapped["left_right"]) == pytest.approx(looped(out["imu_bpe"][:, 2], out["imu_bpe"][:, 0], same), rel=1e-9)
    out, batch = example(p=1)
    assert "left_right" not in MultiTaskLoss(weights, TEMPERATURE, ("right_wrist",))(out, batch)


def test_siglip_asks_of_every_pair_alone():
    a, b = unit(5, 4, seed=1), unit(5, 4, seed=2)
    same = torch.eye(5, dtype=torch.bool)
    same[0, 3] = same[3, 0] = True
    expected = 0.0
    for i in range(5):
        for j in range(5):
            if i == j or not same[i, j]:
                logit = float(a[i] @ b[j]) / TEMPERATURE - 2.0
                expected -= np.log(1 / (1 + np.exp(-logit if i == j else logit))) / 5
    found = siglip(a, b, same, TEMPERATURE, torch.tensor(-2.0))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_siglip_shared_by_two_workers_is_that_of_one():
    a, b, valid = unit(6, 4, seed=1), unit(6, 4, seed=2), torch.tensor([True, True, False, True, True, True])
    same, bias = torch.eye(6, dtype=torch.bool), torch.tensor(-3.0)
    whole = siglip(a, b, same, TEMPERATURE, bias, valid_b=valid)
    full = {(3, 4): b, (3,): valid}
    parts = [
        siglip(a[i : i + 3], b[i : i + 3], same[i : i + 3], TEMPERATURE, bias, valid_b=valid[i : i + 3], rank=i // 3,
               gather=lambda x: full[tuple(x.shape)])
        for i in (0, 3)
    ]  # fmt: skip
    assert float(sum(parts)) / 2 == pytest.approx(float(whole), rel=1e-6)


def test_a_learned_temperature_stays_within_its_bounds():
    weights = dict.fromkeys(NAMES, 1.0)
    fixed, learned = (MultiTaskLoss(weights, 0.07, WRISTS, learn_temperature=learn) for learn in (False, True))
    assert [name for name, p in fixed.named_parameters() if p.requires_grad] == []
    assert [name for name, p in learned.named_parameters() if p.requires_grad] == ["log_temperature"]
    for log, expected in ((-9.0, 0.01), (np.log(0.07), 0.07), (3.0, 0.5)):
        torch.nn.init.constant_(learned.log_temperature, float(log))
        assert float(learned.temperature.detach()) == pytest.approx(expected, rel=1e-5)


def test_uncertainties_weigh_the_tasks_as_kendall_et_al_do():
    out, batch = example()
    loss = MultiTaskLoss(dict.fromkeys(NAMES, 1.0), TEMPERATURE, WRISTS, uncertainty=True)
    s = torch.linspace(-1, 1, len(NAMES))
    loss.log_variance.data = s
    found = {name: value.detach() for name, value in loss(out, batch).items()}
    expected = sum(np.exp(-float(v)) * float(found[name]) + float(v) for name, v in zip(NAMES, s, strict=True))
    assert float(found["total"]) == pytest.approx(expected, rel=1e-5)


def test_the_authors_variant_compares_one_centre_sample_of_length_one():
    out, batch = example(t=11)
    found = MultiTaskLoss({"pose2imu": 1.0}, TEMPERATURE, WRISTS, signal_target="centre")(out, batch)
    made, aim = (x[:, :, 5].numpy() for x in (out["pose2imu_bpt6"], batch["ideal_bpt6"]))
    made, aim = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (made, aim))
    assert float(found["pose2imu"]) == pytest.approx(float(np.mean((made - aim) ** 2)), rel=1e-6)


def test_one_wrist_has_no_left_and_right_to_compare():
    with pytest.raises(InputError, match="no loss is left: left_right needs both wrists, and there is right_wrist"):
        MultiTaskLoss({"left_right": 1.0}, TEMPERATURE, ("right_wrist",))


# what a batch lacks


def lacking(b: int = 6) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Windows 2 and 3 have no pose and are recordings; 1 and 3 lack the left wrist, and 3 a gyroscope as well."""
    out, batch = example(b)
    out["view_be"] = unit(b, 4, seed=20)
    signals = torch.ones(b, 2, 2, dtype=torch.bool)
    signals[1, 0], signals[3, 0], signals[3, 1, 1] = False, False, False
    recorded = torch.tensor([False, False, True, True, False, False])
    return out, batch | {"signals_bp2": signals, "has_pose_b": ~recorded, "recorded_b": recorded}


ALL = (*NAMES, "two_views")


def test_every_loss_is_the_mean_over_what_is_there():
    out, batch = lacking()
    found = MultiTaskLoss(dict.fromkeys(ALL, 1.0), TEMPERATURE, WRISTS, recordings=True)(out, batch)
    same = same_group(batch["keys_bk"], batch["keys_bk"]).numpy()
    words = same_group(batch["keys_bk"][:, 1:], batch["keys_bk"][:, 1:]).numpy()
    text, pose, recorded = batch["keys_bk"][:, 1].numpy() >= 0, batch["has_pose_b"].numpy(), batch["recorded_b"].numpy()
    left, right = out["imu_bpe"].unbind(1)

    def error(made: str, target: str, rows: list[int]) -> float:
        values = []
        for row in rows:
            for placement in range(2):
                for channel in range(6):
                    if batch["signals_bp2"][row, placement, channel // 3]:
                        difference = out[made][row, placement, :, channel] - batch[target][row, placement, :, channel]
                        values += difference.square().tolist()
        return float(np.mean(values))

    expected = {
        "text_imu": looped(out["text_be"], out["imu_be"], words, text),
        "text_pose": looped(out["text_be"], out["pose_be"], words, text & pose),
        "imu_pose": looped(out["imu_be"], out["pose_be"], same, pose),
        "left_right": looped(left, right, same, np.array([True, False, True, False, True, True])),
        "pose2imu": error("pose2imu_bpt6", "ideal_bpt6", [0, 1, 4, 5]),
        "reconstruction": error("reconstruction_bpt6", "clean_bpt6", list(range(6))),
        "two_views": looped(out["imu_be"], out["view_be"], same, recorded),
    }
    assert {name: float(value) for name, value in found.items() if name != "total"} == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("options", [{}, {"contrast": "siglip"}, {"signal_target": "centre"}], ids=str)
def test_masked_losses_shared_by_workers_are_those_of_one(options):
    out, batch = lacking()
    made = MultiTaskLoss(dict.fromkeys(ALL, 1.0), TEMPERATURE, WRISTS, recordings=True, **options)
    whole = made(out, batch)
    gathered: dict[int, list[Tensor]] = {0: [], 1: []}

    def shared(rank: int, gather) -> dict[str, Tensor]:
        rows = slice(3 * rank, 3 * rank + 3)
        return made({k: v[rows] for k, v in out.items()}, {k: v[rows] for k, v in batch.items()}, rank, gather)

    for rank in range(2):  # first only what each one gives

        def noted(x: Tensor, rank: int = rank) -> Tensor:
            gathered[rank].append(x)
            return torch.cat([x, x])

        shared(rank, noted)
    parts = []
    for rank in range(2):
        pairs = iter(list(zip(gathered[0], gathered[1], strict=True)))
        parts.append(shared(rank, lambda x, pairs=pairs: torch.cat(next(pairs))))
    for name, value in whole.items():
        assert float((parts[0][name] + parts[1][name]).detach()) / 2 == pytest.approx(float(value.detach()), rel=1e-9), name


def test_a_batch_without_any_pair_costs_nothing_and_pushes_nowhere():
    out, batch = lacking()
    none = torch.zeros(6, dtype=torch.bool)
    batch |= {"has_pose_b": none, "recorded_b": none, "signals_bp2": torch.zeros(6, 2, 2, dtype=torch.bool)}
    batch["keys_bk"] = torch.full((6, 3), -1)
    out = {name: value.clone().requires_grad_(True) for name, value in out.items()}
    found = MultiTaskLoss(dict.fromkeys(ALL, 1.0), TEMPERATURE, WRISTS, recordings=True)(out, batch)
    assert {name: float(value.detach()) for name, value in found.items()} == dict.fromkeys([*ALL, "total"], 0.0)
    found["total"].backward()
    assert all((value.grad == 0).all() for value in out.values())


def test_two_views_need_recordings():
    assert "two_views" not in MultiTaskLoss(dict.fromkeys(ALL, 1.0), TEMPERATURE, WRISTS).weights
    with pytest.raises(InputError, match=r"no loss is left: .*two_views needs --recordings"):
        MultiTaskLoss({"two_views": 1.0}, TEMPERATURE, WRISTS)
