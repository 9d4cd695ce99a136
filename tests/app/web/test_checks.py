"""What visitors may give, and the sentences they get for what they may not."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web import checks
from stylegrow.common.errors import InputError

SEED = "Seed must be a whole number from 0 to 4294967295."
CHECKS = {
    "seed": checks.seed,
    "seeds": checks.seeds,
    "several": checks.several_seeds(2, 6),
    "psi": checks.psi,
    "psis": checks.psis,
    "number": checks.number(0, 1, "Alpha"),
    "whole": checks.whole(1, 9, "Stage"),
    "choice": checks.one_of(["a", "b"], "Choice"),
    "flag": checks.flag,
    "layers": checks.layers,
    "label": checks.label,
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.sampled_from(["0-3", "1,.5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("check", "value", "text"),
    [
        ("seed", None, SEED),
        ("seed", "", SEED),
        ("seed", -1, f'{SEED} You gave "-1".'),
        ("seed", 2**32, f'{SEED} You gave "4294967296".'),
        ("seed", 1.5, f'{SEED} You gave "1.5".'),
        ("seed", "x", f'{SEED} You gave "x".'),
        ("seed", True, f'{SEED} You gave "True".'),
        ("seeds", None, SEED),
        ("seeds", "  ", SEED),
        ("seeds", "x", f'{SEED} You gave "x".'),
        ("seeds", "1.5", f'{SEED} You gave "1.5".'),
        ("seeds", "-1", f'{SEED} You gave "-1".'),
        ("seeds", "5-", 'Could not read "5-": write seeds like 1,4,10-15 (at most 64).'),
        ("seeds", "0-64", "Seeds '0-64': these are 65 seeds; give at most 64."),
        ("seeds", "1,4294967296", 'Could not read "1,4294967296": write seeds like 1,4,10-15 (at most 64).'),
        ("seeds", "<b>,1", 'Could not read "‹b›,1": write seeds like 1,4,10-15 (at most 64).'),
        ("several", "7", "Give at least 2 seeds, like 1,4,10-15."),
        ("psi", None, "Truncation must be between -1 and 2."),
        ("psi", math.nan, "Truncation must be between -1 and 2."),
        ("psi", 2.05, "Truncation must be between -1 and 2."),
        ("psis", "1,3", "Truncation must be between -1 and 2."),
        ("psis", "1,x", 'Could not read "1,x": write numbers like 1,.7,0,-1 (at most 12).'),
        ("number", 1.1, "Alpha must be between 0 and 1."),
        ("whole", 1.5, "Stage must be a whole number from 1 to 9."),
        ("choice", "c", "Choice must be one of: a, b."),
        ("flag", "yes", "Give true or false."),
        ("layers", "0-30", 'Could not read "0-30": give coarse, middle or fine, or layers like 0-3 or 0,2,5.'),
        ("label", ["cat"], "A class is given by its name or its number."),
    ],
)
def test_the_sentence(check, value, text):
    with pytest.raises(InputError) as raised:
        CHECKS[check](value)
    assert str(raised.value) == text


def test_values():
    assert checks.seed(0) == checks.seed("0") == checks.seed(0.0) == 0
    assert checks.seed(2**32 - 1) == 2**32 - 1
    assert checks.seeds("4") == [4]
    assert checks.seeds(" 1,4,10-12") == [1, 4, 10, 11, 12]
    assert checks.seeds("0-63") == list(range(64))
    assert checks.psi("-1") == -1
    assert checks.psis("1,.7,-.5") == [1, 0.7, -0.5]
    assert (checks.layers(" coarse "), checks.layers("0,2,5"), checks.layers("")) == ("coarse", "0,2,5", "")
    assert (checks.label(""), checks.label(3), checks.label("öwl")) == (None, "3", "öwl")
    assert CHECKS["whole"](3.0) == 3


@pytest.mark.parametrize("name", CHECKS)
def test_anything_is_read_or_refused_in_one_short_line(name):
    @settings(derandomize=True, max_examples=60)
    @given(ANYTHING)
    def refused_or_not(value):
        try:
            CHECKS[name](value)
        except InputError as error:
            said = str(error)
        else:
            said = "fine"
        assert said.isprintable()
        assert len(said) < 200
        assert not set("<>") & set(said)

    refused_or_not()
