"""Text and tables for people."""

import pytest

from stylegrow.common.tables import markdown_table, text_table
from stylegrow.common.text import counted, duration, one_line, printable


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (59.4, "59s"), (59.6, "1m 00s"), (200, "3m 20s"), (3900, "1h 05m"), (47 * 3600, "47h 00m"),
        (51 * 3600 + 59, "2d 03h"),
    ],
)  # fmt: skip
def test_durations_for_people(seconds, text):
    assert duration(seconds) == text


def test_anything_is_one_line():
    assert printable("a\n\x1b[31m\udcff顔") == "a\\n\\x1b[31m\\udcff顔"
    assert one_line(ValueError(" two\n lines ")) == "two lines"
    assert one_line(ValueError()) == "ValueError"


def test_numbers_of_things():
    assert [counted(count, "image") for count in (0, 1, 2)] == ["0 images", "1 image", "2 images"]


def test_tables_have_their_columns_below_each_other():
    rows = [["name", "size"], ["a", "10"]]
    assert text_table(rows) == ["name  size", "a     10"]
    assert text_table(rows, ">") == ["name  size", "   a    10"]
    assert markdown_table(rows[0], rows[1:]) == "| name | size |\n| :--- | ---: |\n| a    |   10 |"
    assert markdown_table(rows[0], rows[1:], padded=False) == "| name | size |\n|---|---|\n| a | 10 |"
