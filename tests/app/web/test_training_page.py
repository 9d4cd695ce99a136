"""The tab of training runs and its endpoints: what is new is sent, and nothing else."""

import httpx
import pytest
from PIL import Image

from app.web.pages.training import _limits
from tests.app.asking import ask, connect
from tests.app.serving import RUN, write_run


@pytest.fixture(scope="module")
def client(app):
    return connect(app.url)


def test_runs_are_listed(app, client):
    (app.runs / RUN / "stats.jsonl").touch()  # as a training does, however long the tests before have taken
    (run,) = (one for one in client.predict(api_name="/runs") if one["name"] == RUN)
    assert (run["name"], run["state"], run["kimg"], run["total_kimg"]) == (RUN, "running", 29, 40)
    assert (run["architecture"], run["objective"], run["data"]) == ("stylegan", "ns-r1", "faces")
    assert run["seconds_left"] <= 971


def test_a_run_that_begins_later_is_listed_at_once(app, client):
    write_run(app.runs / "00001-later", ticks=3)
    assert {run["name"] for run in client.predict(api_name="/runs")} >= {RUN, "00001-later"}
    assert client.predict("00001-later", api_name="/run_stats")["kimg"] == 2


def test_the_curves_and_the_snapshots_of_a_run(client):
    told = client.predict(RUN, api_name="/run_stats")
    assert [line["kimg"] for line in told["stats"]] == list(range(30))
    assert [line["G/loss"] for line in told["stats"]] == list(range(30))
    assert told["snapshots"] == [0, 10, 20]


def test_a_snapshot_is_the_picture_of_the_run(client):
    for number, red in ((1, 0), (3, 200)):
        with Image.open(client.predict(RUN, number, api_name="/run_snapshot")) as image:
            assert (image.size, image.getpixel((0, 0))[0]) == ((96, 64), red)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("run_stats", ["nobody"], "There is no such run here; choose one from the list."),
        ("run_stats", [f"../runs/{RUN}"], "There is no such run here"),
        ("run_stats", [None], "There is no such run here"),
        ("run_snapshot", [RUN, 4], "This run has 3 snapshots."),
        ("run_snapshot", [RUN, 0], "Snapshot must be a whole number from 1 to"),
        ("run_snapshot", [RUN, 1.5], "Snapshot must be a whole number from 1 to"),
        ("run_snapshot", ["nobody", 1], "There is no such run here"),
    ],
)
def test_what_is_not_there_is_said(app, capfd, name, data, words):
    done, said = ask(app.url, name, data)
    assert not done
    assert words in said
    assert "Traceback" not in capfd.readouterr().err


def test_a_damaged_snapshot_is_said_and_the_rest_goes_on(app, client):
    run = app.runs / "00002-damaged"
    write_run(run)
    (run / "fakes000010.png").write_text("root:x:0:0")
    done, said = ask(app.url, "run_snapshot", [run.name, 2])
    assert not done
    assert "The snapshot at 10 kimg cannot be read; choose another." in said
    assert client.predict(run.name, 3, api_name="/run_snapshot")


def test_the_page_tells_nothing_of_where_the_runs_are(app):
    assert str(app.runs) not in httpx.get(f"{app.url}/config").text


def test_plots_leave_out_what_would_dwarf_the_rest():
    wave = [float(value % 7) for value in range(200)]
    assert _limits(sorted(wave)) == [None, None]
    low, high = _limits(sorted([*wave, 1e6]))
    assert -2 < low < 0
    assert 6 < high < 8
    assert _limits([]) == _limits([3.0] * 9) == [None, None]
