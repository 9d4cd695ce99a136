"""One line for what is wrong with a command line, whichever box the library draws around it."""

import pytest

from stylegrow.common.commandline import one_line

UTF8 = """\
╭─ Value error ─────────────────────────────────────────────────────────╮
│ Error parsing --frames: invalid literal for int() with base 10: '1.5' │
│ ───────────────────────────────────────────────────────────────────── │
│ Argument helptext:                                                    │
│     --frames INT                                                      │
│     frames from one seed to the next (default: 30)                    │
│ ───────────────────────────────────────────────────────────────────── │
│ For full helptext, see P --help                                       │
╰───────────────────────────────────────────────────────────────────────╯
"""
UNION = """\
╭─ Value error ────────────────────────────────────────────────────────────────╮
│ Error parsing --trunc: no type matching {None}|FLOAT could be instantiated   │
│ from ['x'].                                                                  │
│                                                                              │
│ Got errors:                                                                  │
│ - <class 'NoneType'>: ['x'] does not match choices ('None',)                 │
│ - <class 'float'>: could not convert string to float: 'x'                    │
│ ──────────────────────────────────────────────────────────────────────────── │
│ Argument helptext:                                                           │
│     --trunc NUMBER                                                           │
╰──────────────────────────────────────────────────────────────────────────────╯
"""
MISSPELT = """\
╭─ Unrecognized options ─────╮
│ Unrecognized options: --sed│
│ ────────────────────────── │
│ Perhaps you meant:         │
│     --seeds SEEDS          │
│ ────────────────────────── │
│ For full helptext, run P   │
╰────────────────────────────╯
"""


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize(
    ("box", "line"),
    [
        (UTF8, "--frames cannot be '1.5'; P --help lists the options"),
        (UNION, "--trunc cannot be 'x'; P --help lists the options"),
        (MISSPELT, "Unrecognized options: --sed, perhaps --seeds was meant; P --help lists the options"),
    ],
)
def test_the_box_becomes_a_line(box, line, ascii_only):
    if ascii_only:
        box = box.translate(str.maketrans("╭╰╮╯─│", "++++-|"))
    assert one_line(box, "P") == line
