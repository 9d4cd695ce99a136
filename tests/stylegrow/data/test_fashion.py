"""Fashion-MNIST by name: where its files are looked for, and torchvision's download, from a server on this machine."""

import gzip
import hashlib
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import FashionMNIST

from stylegrow.common.errors import DataError
from stylegrow.data import open_dataset
from stylegrow.data.sources import fashion_mnist, find_source
from stylegrow.data.sources.idx import FASHION_CLASSES
from tests.stylegrow.data.image_files import idx

IMAGES, LABELS = fashion_mnist.FILES
PACKAGE = fashion_mnist.PACKAGE  # before the tests look elsewhere


PIXELS = np.random.RandomState(0).randint(0, 256, (60, 28, 28)).astype(np.uint8)
CONTENT = {IMAGES: idx(PIXELS), LABELS: idx(np.arange(60, dtype=np.uint8) % 10)}
SERVED = {f"/{name}.gz": gzip.compress(content) for name, content in CONTENT.items()}
SERVED |= {path.replace("train", "t10k"): content for path, content in SERVED.items()}


def put(folder: Path, ending: str = ".gz") -> Path:
    """The files in a folder, packed or not."""
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / f"{name}{ending}").write_bytes(gzip.compress(content) if ending else content)
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No files but those of the test, which are what torchvision expects, from where nobody listens."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(fashion_mnist, "PACKAGE", tmp_path / "package" / "fashion-mnist")
    resources = [(path[1:], hashlib.md5(content).hexdigest()) for path, content in SERVED.items()]
    monkeypatch.setattr(FashionMNIST, "resources", resources)
    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])


@pytest.fixture
def served(monkeypatch):
    """What a server on this machine gives at each path, to be changed by the test, and how often it was fetched."""
    content, fetched = dict(SERVED), Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            # torchvision asks once more, for the address alone, before it fetches a file.
            fetched[self.path] += self.headers.get("Method") != "HEAD"
            body = content.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    yield content, fetched
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("place", "ending"),
    [
        ("package/fashion-mnist", ".gz"),
        ("work/FashionMNIST/raw", ""),
        ("work/data/FashionMNIST/raw", ""),
        ("home/data/FashionMNIST/raw", ".gz"),
        ("home/datasets/FashionMNIST/raw", ""),
    ],
)
def test_it_is_found_where_it_usually_is(tmp_path, place, ending):
    put(tmp_path / place, ending)
    source = find_source("fashion-mnist")
    assert source.path == str(tmp_path / place)
    assert (source.name, source.known, len(source.names)) == ("fashion-mnist", (32, 1), 60)
    assert source.labels(np.arange(12), np.zeros((12, 0)))["class"][0] == FASHION_CLASSES


def test_the_package_comes_first_and_half_of_the_files_do_not_do(tmp_path):
    put(tmp_path / "work" / "data" / "FashionMNIST" / "raw")
    package = put(tmp_path / "package" / "fashion-mnist")
    assert find_source("fashion-mnist").path == str(package)
    (package / f"{LABELS}.gz").unlink()
    assert find_source("fashion-mnist").path == str(tmp_path / "work" / "data" / "FashionMNIST" / "raw")


@pytest.mark.parametrize("given", ["root", "root/FashionMNIST/raw"])
def test_torchvisions_folder_is_found_under_its_root(tmp_path, given):
    put(tmp_path / "root" / "FashionMNIST" / "raw", "")
    dataset = open_dataset(tmp_path / given, cache=tmp_path / "cache", quiet=True)
    assert (len(dataset), dataset.channels, dataset.resolution) == (60, 1, 32)
    assert dataset.source == str(tmp_path / "root" / "FashionMNIST" / "raw")
    assert np.array_equal(dataset.read(np.array([7]), 32)[0, 0, 2:30, 2:30], PIXELS[7])


def test_it_is_downloaded_once(tmp_path, served):
    _, fetched = served
    for _ in range(2):
        dataset = open_dataset("fashion-mnist", cache=tmp_path / "cache", quiet=True)
        assert (dataset.name, len(dataset), dataset.channels) == ("fashion-mnist", 60, 1)
    assert fetched == dict.fromkeys(SERVED, 1)
    assert dataset.classes("class") == FASHION_CLASSES
    assert np.array_equal(dataset.read(np.array([7]), 32)[0, 0, 2:30, 2:30], PIXELS[7])


def test_a_folder_or_a_prepared_set_of_that_name_is_not_taken_for_it(tmp_path):
    put(tmp_path / "package" / "fashion-mnist")
    put(tmp_path / "work" / "fashion-mnist")
    assert find_source("fashion-mnist").path == str(tmp_path / "package" / "fashion-mnist")
    assert find_source("./fashion-mnist").path == str(tmp_path / "work" / "fashion-mnist")


@pytest.mark.parametrize(
    "body",
    [None, b"<html>log in</html>", SERVED[f"/{LABELS}.gz"][:-9], gzip.compress(b"")],
    ids=["nothing", "a page", "cut short", "empty"],
)
def test_what_is_not_it_is_not_kept(tmp_path, served, body):
    content, _ = served
    content[f"/{LABELS}.gz"] = body
    with pytest.raises(DataError, match=r"^--data fashion-mnist: .*cannot be downloaded .*(404|corrupted)") as caught:
        find_source("fashion-mnist", downloads=tmp_path / "downloads")
    assert "\n" not in str(caught.value)
    assert [path for path in (tmp_path / "downloads").iterdir() if path.is_dir()] == []
    content.update(SERVED)
    assert len(find_source("fashion-mnist", downloads=tmp_path / "downloads").names) == 60


def test_without_a_network_one_line_says_what_to_do(tmp_path):
    for downloads, problem in ((tmp_path, r"this machine and cannot be downloaded \(.*\): "), (None, "this machine: ")):
        with pytest.raises(DataError, match=rf"^--data fashion-mnist: is not on {problem}install Debian's") as caught:
            find_source("fashion-mnist", downloads=downloads)
        assert "\n" not in str(caught.value)


def test_where_nothing_can_be_written_one_line_says_so(tmp_path, served):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file cannot be written .*--cache"):
        find_source("fashion-mnist", downloads=tmp_path / "file")


@pytest.mark.skipif(not PACKAGE.is_dir(), reason="Debian's package is not installed")
def test_debians_package_is_it(monkeypatch):
    monkeypatch.setattr(fashion_mnist, "PACKAGE", PACKAGE)
    source = find_source("fashion-mnist")
    assert (source.path, len(source.names), source.known) == (str(PACKAGE), 60_000, (32, 1))
    _, indices = source.labels(np.arange(60_000), np.zeros((60_000, 0)))["class"]
    assert np.bincount(indices).tolist() == [6000] * 10
