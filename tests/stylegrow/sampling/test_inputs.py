"""What users write as text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stylegrow.common.errors import InputError
from stylegrow.sampling.inputs import LARGEST_SEED, MOST_SEEDS, read_layers, read_numbers, read_seeds

RANGES = st.lists(st.tuples(st.integers(0, LARGEST_SEED), st.integers(0, 20)), min_size=1, max_size=6)


@settings(derandomize=True)
@given(RANGES)
def test_seeds_and_ranges_are_read_in_their_order(ranges):
    ranges = [(first, min(first + more, LARGEST_SEED)) for first, more in ranges]
    text = ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)
    assert read_seeds(text) == [seed for first, last in ranges for seed in range(first, last + 1)]


def test_spaces_and_zeros_do_no_harm():
    assert read_seeds(" 1, 5 - 7 ,0008\n") == [1, 5, 6, 7, 8]


@settings(derandomize=True)
@given(st.text(max_size=8) | st.text("0123456789,- ", max_size=12))
def test_any_text_is_read_or_refused_in_one_line(text):
    try:
        seeds = read_seeds(text)
    except InputError as refused:
        said = str(refused)
    else:
        said = ""
        assert seeds
        assert all(0 <= seed <= LARGEST_SEED for seed in seeds)
    assert said == "" or said.isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("5-", "cannot be read; write seeds like 1,4,10-15"),
        ("-5", "cannot be read"),
        ("1,,2", "cannot be read"),
        ("1.5", "cannot be read"),
        ("1e3", "cannot be read"),
        ("٣", "cannot be read"),
        ("x" * 1000, "...'"),
        ("9-5", "9-5 runs backwards; write 5-9"),
        ("4294967296", "from 0 to 4294967295"),
        ("9" * 5000, "from 0 to 4294967295"),
        ("0-4294967295", "4,294,967,296 seeds; give at most 100,000"),
        (f"0-{MOST_SEEDS}", "100,001 seeds"),
    ],
)
def test_what_names_no_seeds_is_refused(text, words):
    with pytest.raises(InputError) as raised:
        read_seeds(text, "--rows")
    assert words in str(raised.value)
    assert str(raised.value).startswith("--rows '")
    assert len(str(raised.value)) < 160


def test_layers():
    assert read_layers("0-3", 10) == [0, 1, 2, 3]
    assert read_layers("5,0-2,1", 10) == [0, 1, 2, 5]
    assert read_layers("coarse", 10) == [0, 1, 2, 3]
    assert read_layers("middle", 6) == [4, 5]
    assert read_layers("fine", 18) == list(range(8, 18))
    for text in ("0-30", "10", "0-10"):
        with pytest.raises(InputError, match="10 layers"):
            read_layers(text, 10)
    with pytest.raises(InputError, match="only 8 layers"):
        read_layers("fine", 8)
    for text in ("", "x", "3-", "-1", "Coarse"):
        with pytest.raises(InputError, match="layers like 0-3"):
            read_layers(text, 10)


def test_numbers():
    assert read_numbers("1,.7, 0,-.5,-1e0", "--trunc", 9) == [1, 0.7, 0, -0.5, -1]
    for text in ("", "1,,2", "x", "nan", "1,inf", "-inf", "1;2"):
        with pytest.raises(InputError, match=r"--trunc '.*': cannot be read"):
            read_numbers(text, "--trunc", 9)
    with pytest.raises(InputError, match="10 numbers; give at most 9"):
        read_numbers(",".join("1" * 10), "--trunc", 9)
