import json
import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.config.schedule import Schedule, resolutions, to_images

ORACLE = json.loads((Path(__file__).parents[2] / "oracle" / "schedule.json").read_text())
repeatable = settings(derandomize=True, deadline=None)


def a_schedule(resolution=32, start=4, stable=600.0, fade=600.0, batch=16, lr=0.001):
    table = resolutions(start, resolution)
    return Schedule(resolution, start, stable, fade, dict.fromkeys(table, batch), dict.fromkeys(table, lr))


def lod(schedule, stage):
    """The official level of detail of a stage."""
    return math.log2(schedule.resolution // stage.resolution) + 1 - stage.alpha


@pytest.mark.parametrize(
    "row", ORACLE, ids=lambda row: "{}-{}".format("-".join(map(str, row["cfg"].values())), row["kimg"])
)
def test_equals_the_official_schedule(row):
    cfg = row["cfg"]
    schedule = a_schedule(
        row["full_resolution"], cfg["lod_initial_resolution"], cfg["lod_training_kimg"], cfg["lod_transition_kimg"]
    )
    stage = schedule.at(to_images(row["kimg"]))
    assert stage.resolution == row["resolution"]
    assert lod(schedule, stage) == pytest.approx(row["lod"], abs=1e-12)


@pytest.mark.parametrize(
    ("images", "resolution", "alpha", "phase"),
    [
        (0, 4, 1.0, 0),
        (600_000, 4, 1.0, 0),  # the fade has not begun yet
        (600_001, 8, 1 / 600_000, 1),
        (900_000, 8, 0.5, 1),
        (1_199_999, 8, 599_999 / 600_000, 1),
        (1_200_000, 8, 1.0, 2),
        (1_800_000, 8, 1.0, 2),
        (1_800_001, 16, 1 / 600_000, 3),
        (3_599_999, 32, 599_999 / 600_000, 5),
        (3_600_000, 32, 1.0, 6),
        (10**12, 32, 1.0, 6),
    ],
)
def test_boundaries_are_exact_to_the_image(images, resolution, alpha, phase):
    stage = a_schedule().at(images)
    assert (stage.resolution, stage.alpha, stage.phase) == (resolution, alpha, phase)


def test_fractions_of_kimg_do_not_drift():
    schedule = a_schedule(1024, 4, 0.1, 0.2)  # 0.1 + 0.2 is not 0.3 in floating point
    for k in range(8):
        assert schedule.at(300 * k) == schedule._stage(2 * k, 1.0)
        assert schedule.at(300 * k + 100).phase == 2 * k
        assert schedule.at(300 * k + 101).phase == 2 * k + 1
    assert schedule.growing_kimg == 2.4


def test_batch_and_lr_switch_at_the_start_of_a_fade():
    schedule = Schedule(8, 4, 1, 1, {4: 64, 8: 32}, {4: 0.001, 8: 0.0015})
    assert [(s.batch, s.lr) for s in map(schedule.at, (1000, 1001, 2000))] == [(64, 0.001), (32, 0.0015), (32, 0.0015)]


@pytest.mark.parametrize("seen", [601, 700, 1199, 1801, 2399])
def test_a_schedule_that_begins_in_a_fade_is_the_rest_of_the_whole_one(seen):
    whole = a_schedule(32, 4, stable=0.6, fade=0.6)
    begun = whole.at(seen)
    rest = replace(a_schedule(32, begun.resolution, stable=0.6, fade=0.6), start_alpha=begun.alpha)
    grown = (begun.phase + 1) // 2
    for images in range(0, 4000, 7):
        then, now = whole.at(seen + images), rest.at(images)
        assert (now.resolution, now.phase) == (then.resolution, then.phase - 2 * grown)
        assert now.alpha == pytest.approx(then.alpha, abs=1e-12)
    assert rest.growing_kimg == pytest.approx(whole.growing_kimg - seen / 1000)
    rows = rest.phases(6)
    assert (rows[0].fading, rows[0].resolution, rows[0].start_kimg) == (True, begun.resolution, 0)
    assert all(after.start_kimg == before.end_kimg for before, after in pairwise(rows))
    assert rows[0].end_kimg == pytest.approx(0.6 * (1 - begun.alpha))


def test_a_start_that_is_no_part_of_a_fade_is_refused():
    for alpha in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="start_alpha"):
            replace(a_schedule(), start_alpha=alpha)


def test_without_a_fade_it_jumps():
    schedule = a_schedule(16, 4, stable=1, fade=0)
    seen = [schedule.at(n) for n in (0, 999, 1000, 1999, 2000, 9999)]
    assert [(s.resolution, s.phase) for s in seen] == [(4, 0), (4, 0), (8, 2), (8, 2), (16, 4), (16, 4)]
    assert {s.alpha for s in seen} == {1.0}


def test_without_a_stable_part_fades_follow_each_other():
    schedule = a_schedule(16, 4, stable=0, fade=1)
    seen = [schedule.at(n) for n in (0, 1, 999, 1000, 1001, 2000)]
    assert [(s.resolution, s.phase) for s in seen] == [(4, 0), (8, 1), (8, 1), (8, 2), (16, 3), (16, 4)]
    assert [s.alpha for s in seen] == [1, 0.001, 0.999, 1, 0.001, 1]


@pytest.mark.parametrize("schedule", [a_schedule(16, 16), a_schedule(16, 4, stable=0, fade=0)])
def test_without_growing_it_is_the_full_resolution_from_the_start(schedule):
    assert schedule.growing_kimg == 0
    assert {(s.resolution, s.alpha) for s in map(schedule.at, (0, 1, 600_001, 10**9))} == {(16, 1.0)}
    assert len({schedule.at(n).phase for n in (0, 1, 10**9)}) == 1
    assert [(r.start_kimg, r.end_kimg, r.iterations) for r in schedule.phases(1)] == [(0, 1, 63)]


def test_the_learning_rates_fall_to_0_over_the_end():
    """Of a rate of 0.001 at 4 px and 0.002 at 8 px; the fade between them is from 1000 to 1500 images."""
    schedule = Schedule(8, 4, 1, 0.5, {4: 100, 8: 50}, {4: 0.001, 8: 0.002}, kimg=2, lr_decay_kimg=1.25)
    seen = {images: schedule.at(images).lr for images in (0, 750, 875, 1000, 1500, 1999, 2000, 2050)}
    assert seen == pytest.approx(
        {0: 1e-3, 750: 1e-3, 875: 0.9e-3, 1000: 0.8e-3, 1500: 0.8e-3, 1999: 1.6e-6, 2000: 0, 2050: 0}
    )
    assert replace(schedule, kimg=4).at(2000).lr == 0.002
    assert replace(schedule, lr_decay_kimg=0).at(2050).lr == 0.002


def test_filters_are_used_after_so_many_images():
    schedule = a_schedule(16, 4, stable=1, fade=1)
    assert all(schedule.at(images).blur for images in (0, 1500, 10**6))
    later = replace(schedule, blur_kimg=1.5)
    assert [later.at(images).blur for images in (0, 1499, 1500, 10**6)] == [False, False, True, True]
    assert replace(later.at(1499), blur=True) == schedule.at(1499)
    with pytest.raises(ValueError, match="blur_kimg -1"):
        replace(schedule, blur_kimg=-1)


schedules = st.builds(
    lambda start, grow, stable, fade, batches: Schedule(
        1 << min(start + grow, 10),
        1 << start,
        stable / 1000,
        fade / 1000,
        dict(zip([1 << k for k in range(2, 11)], batches, strict=True)),
        dict.fromkeys([1 << k for k in range(2, 11)], 0.001),
    ),
    st.integers(2, 10),
    st.integers(0, 8),
    st.integers(0, 300),
    st.integers(0, 300),
    st.lists(st.integers(1, 64), min_size=9, max_size=9),
)


@repeatable
@given(schedules)
def test_grows_monotonically_to_the_full_resolution(schedule):
    walk = [schedule.at(n) for n in range(to_images(schedule.growing_kimg) + 2)]
    assert all(0 < stage.alpha <= 1 for stage in walk)
    lods = [lod(schedule, stage) for stage in walk]
    # Continuous: one image moves a fade by one part of its length, and without fades by a whole level.
    step = 1 / to_images(schedule.fade_kimg) if schedule.fade_kimg else 1
    assert all(0 <= before - after <= step + 1e-9 for before, after in pairwise(lods))
    assert (walk[-1].resolution, walk[-1].alpha) == (schedule.resolution, 1)
    assert to_images(schedule.growing_kimg) == 0 or lods[-3] > 0


@repeatable
@given(schedules)
def test_phase_changes_exactly_where_adam_is_reset(schedule):
    """The official loop resets when floor or ceil of the level of detail changes."""
    walk = [schedule.at(n) for n in range(to_images(schedule.growing_kimg) + 2)]
    for before, after in pairwise(walk):
        reset = any(f(lod(schedule, before)) != f(lod(schedule, after)) for f in (math.floor, math.ceil))
        assert (before.phase != after.phase) == reset
        assert before.phase <= after.phase


@repeatable
@given(schedules, st.integers(0, 3000))
def test_phases_partition_the_training(schedule, images):
    rows = schedule.phases(images / 1000)
    edges = [(row.start_kimg, row.end_kimg) for row in rows]
    if images:
        assert (edges[0][0], edges[-1][1]) == (0, images / 1000)
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    seen = 0
    iterations: Counter[int] = Counter()
    while seen < images:
        stage = schedule.at(seen)
        iterations[stage.phase] += 1
        seen += stage.batch
    assert {row.phase: row.iterations for row in rows if row.iterations} == iterations
    for row in rows:
        assert row.batch == schedule.batch[row.resolution]
        assert row.fading == (row.phase % 2 == 1)
        middle = schedule.at(to_images((row.start_kimg + row.end_kimg) / 2))
        if row.end_kimg - row.start_kimg > 0.002:
            assert (middle.phase, middle.resolution) == (row.phase, row.resolution)


def test_phases_of_a_small_training():
    rows = Schedule(8, 4, 1, 0.5, {4: 100, 8: 50}, {4: 0.001, 8: 0.002}).phases(2)
    assert [tuple(vars(row).values()) for row in rows] == [
        (0, 0, 1, 4, False, 100, 0.001, 11),  # the eleventh batch is taken at 1000 images, where the fade has not begun
        (1, 1, 1.5, 8, True, 50, 0.002, 8),
        (2, 1.5, 2, 8, False, 50, 0.002, 10),
    ]


@repeatable
@given(schedules, st.integers(1, 70))
def test_for_processes_rounds_batches_down(schedule, processes):
    rounded = schedule.for_processes(processes)
    for resolution, batch in schedule.batch.items():
        per_process, rest = divmod(rounded.batch[resolution], processes)
        assert rest == 0
        assert per_process == max(batch // processes, 1)
    assert rounded.for_processes(processes) == rounded
    assert schedule.for_processes(1) == schedule


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"resolution": 48}, "resolution 48"),
        ({"resolution": 2}, "resolution 2"),
        ({"start": 64}, "above resolution"),
        ({"stable": -1}, "stable_kimg -1"),
        ({"fade": math.nan}, "fade_kimg nan"),
        ({"fade": math.inf}, "fade_kimg inf"),
        ({"batch": 0}, "batch has no value above 0 for resolution 4"),
        ({"lr": 0}, "lr has no value above 0 for resolution 4"),
    ],
)
def test_what_makes_no_schedule_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        a_schedule(**change)


def test_every_stage_needs_a_value():
    with pytest.raises(ValueError, match="lr has no value above 0 for resolution 8"):
        Schedule(8, 4, 1, 1, {4: 1, 8: 1}, {4: 0.1})
