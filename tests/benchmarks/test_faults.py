"""The campaign of faults: two damaged files of each kind."""

import sys

import pytest

from benchmarks import faults
from benchmarks.faults import Row, damaged
from stylegrow.common.errors import InputError


def test_a_small_campaign_holds(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["faults", "--files", "2", "--kills", "0", "--limits", "0", "--requests", "0"])
    assert faults.main() == 0
    rows = [line.split("|")[1:4] for line in capsys.readouterr().out.splitlines() if line.startswith("|")][2:]
    assert {"options.json", "state.json", "pyramid.json", "zip of images"} <= {kind.strip() for kind, _, _ in rows}
    assert all(tried.strip() == held.strip() for _, tried, held in rows)


@pytest.mark.parametrize(
    ("error", "held"), [(None, 1), (InputError("a line"), 1), (InputError("two\nlines"), 0), (KeyError("x"), 0)]
)
def test_a_traceback_or_more_than_a_line_does_not_hold(error, held):
    def use(content):
        if error:
            raise error

    row: Row = damaged("file", iter([b""]), use)
    assert row.tried - len(row.failures) == held
