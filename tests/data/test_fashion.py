"""Fashion-MNIST by name: where its files are looked for, and the download, from a server on this machine."""

import gzip
import hashlib
import struct
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from stylegrow.common.errors import DataError
from stylegrow.data import open_dataset
from stylegrow.data.sources import FASHION_CLASSES, fashion_mnist, find_source

IMAGES, KINDS = fashion_mnist.FILES
PACKAGE = fashion_mnist.PACKAGE  # before the tests look elsewhere


def packed(values: np.ndarray) -> bytes:
    """A gzipped idx file."""
    head = struct.pack(f">{1 + values.ndim}i", 0x800 + values.ndim, *values.shape)
    return gzip.compress(head + values.tobytes())


PIXELS = np.random.RandomState(0).randint(0, 256, (60, 28, 28)).astype(np.uint8)
CONTENT = {
    f"/{IMAGES}.gz": packed(PIXELS),
    f"/{KINDS}.gz": packed(np.arange(60, dtype=np.uint8) % 10),
}


def put(folder: Path, ending: str = ".gz") -> Path:
    """The files in a folder, packed or not."""
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        packed = ending == ".gz"
        path = folder / (name[1:] if packed else name[1:].removesuffix(".gz"))
        path.write_bytes(content if packed else gzip.decompress(content))
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No files but those of the test, and what it serves is what is right."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(fashion_mnist, "PACKAGE", tmp_path / "package" / "fashion-mnist")
    digests = {
        name: hashlib.sha256(gzip.decompress(CONTENT[f"/{name}.gz"])).hexdigest() for name in (IMAGES, KINDS)
    }  # fmt: skip
    monkeypatch.setattr(fashion_mnist, "FILES", digests)
    monkeypatch.setattr(fashion_mnist, "ADDRESS", "http://127.0.0.1:9")  # where nobody listens


@pytest.fixture
def served(monkeypatch):
    """What a server on this machine gives at each path, to be changed by the test, and how often it was asked."""
    content, asked = dict(CONTENT), Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked[self.path] += 1
            body = content.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(fashion_mnist, "ADDRESS", f"http://127.0.0.1:{server.server_port}")
    yield content, asked
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
    (package / f"{KINDS}.gz").unlink()
    assert find_source("fashion-mnist").path == str(tmp_path / "work" / "data" / "FashionMNIST" / "raw")


@pytest.mark.parametrize("given", ["root", "root/FashionMNIST/raw"])
def test_torchvisions_folder_is_found_under_its_root(tmp_path, given):
    put(tmp_path / "root" / "FashionMNIST" / "raw", "")
    dataset = open_dataset(tmp_path / given, cache=tmp_path / "cache", quiet=True)
    assert (len(dataset), dataset.channels, dataset.resolution) == (60, 1, 32)
    assert dataset.source == str(tmp_path / "root" / "FashionMNIST" / "raw")
    assert np.array_equal(dataset.read(np.array([7]), 32)[0, 0, 2:30, 2:30], PIXELS[7])


def test_it_is_downloaded_once(tmp_path, served, capfd):
    _, asked = served
    for _ in range(2):
        dataset = open_dataset("fashion-mnist", cache=tmp_path / "cache", quiet=True)
        assert (dataset.name, len(dataset), dataset.channels) == ("fashion-mnist", 60, 1)
    assert asked == dict.fromkeys(CONTENT, 1)
    assert dataset.classes("class") == FASHION_CLASSES
    folder = tmp_path / "cache" / "downloads" / "fashion-mnist"
    assert {f"/{path.name}": path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert capfd.readouterr().err.count("downloading http://127.0.0.1:") == 2


def test_a_folder_or_a_prepared_set_of_that_name_is_not_taken_for_it(tmp_path):
    put(tmp_path / "package" / "fashion-mnist")
    put(tmp_path / "work" / "fashion-mnist")
    assert find_source("fashion-mnist").path == str(tmp_path / "package" / "fashion-mnist")
    assert find_source("./fashion-mnist").path == str(tmp_path / "work" / "fashion-mnist")


@pytest.mark.parametrize(
    "body", [None, b"", b"<html>log in</html>", CONTENT[f"/{KINDS}.gz"][:-9], packed(np.zeros(60, np.uint8))]
)
def test_what_is_not_it_is_not_kept(tmp_path, served, body):
    content, asked = served
    content[f"/{KINDS}.gz"] = body
    problem = "cannot be downloaded .*404" if body is None else "holds other bytes than it should"
    with pytest.raises(DataError, match=f"^--data fashion-mnist: .*{problem}") as caught:
        find_source("fashion-mnist", downloads=tmp_path)
    assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "fashion-mnist").iterdir()] == [f"{IMAGES}.gz"]
    content.update(CONTENT)
    assert len(find_source("fashion-mnist", downloads=tmp_path).names) == 60
    assert asked == {f"/{IMAGES}.gz": 1, f"/{KINDS}.gz": 2}


def test_without_a_network_one_line_says_what_to_do(tmp_path):
    with pytest.raises(DataError) as caught:
        find_source("fashion-mnist", downloads=tmp_path)
    message = str(caught.value)
    assert message.startswith("--data fashion-mnist: is not on this machine and cannot be downloaded (")
    assert message.endswith("install Debian's package dataset-fashion-mnist, or give a folder with its files")
    assert "\n" not in message
    with pytest.raises(DataError, match=r"^--data fashion-mnist: is not on this machine: install"):
        find_source("fashion-mnist")


def test_where_nothing_can_be_written_one_line_says_so(tmp_path, served):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file/fashion-mnist cannot be written .*--cache"):
        find_source("fashion-mnist", downloads=tmp_path / "file")


@pytest.mark.skipif(not PACKAGE.is_dir(), reason="Debian's package is not installed")
def test_the_packages_files_are_those_that_a_download_must_be(monkeypatch):
    monkeypatch.undo()
    for name, digest in fashion_mnist.FILES.items():
        content = gzip.decompress((PACKAGE / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest
    source = find_source("fashion-mnist")
    assert (source.path, len(source.names), source.known) == (str(PACKAGE), 60_000, (32, 1))
    _, indices = source.labels(np.arange(60_000), np.zeros((60_000, 0)))["class"]
    assert np.bincount(indices).tolist() == [6000] * 10
