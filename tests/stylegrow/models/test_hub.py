from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from stylegrow.common.errors import ModelError
from stylegrow.models import find_model, hub, load_discriminator, load_generator, read_config, save_model
from stylegrow.models.folders import FILES, files_of
from tests.stylegrow.models.helpers import networks, refused, same


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """huggingface_hub's own cache, empty, and no way to the Hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


def test_what_was_pushed_is_loaded_by_its_id(tmp_path, fake_hub):
    g, d = networks()
    save_model(tmp_path / "m", g, d, training={"kimg": 3})
    (tmp_path / "m" / "growth.safetensors").write_bytes(b"colours")
    (tmp_path / "m" / "directions.safetensors").write_bytes(b"directions")
    (tmp_path / "m" / "encoder.safetensors").write_bytes(b"of another architecture")
    (tmp_path / "m" / ".model.safetensors.tmp").write_text("half")
    (tmp_path / "m" / "notes.txt").write_text("mine")
    assert hub.push(tmp_path / "m", FILES, "me/faces", message="new") == "https://hub.test/me/faces"
    assert sorted(path.name for path in fake_hub.branch("me/faces", None).iterdir()) == sorted(FILES)
    assert fake_hub.calls == [("create_repo", "me/faces", None), ("upload_folder", "me/faces", None, "new")]
    assert same(load_generator("hf://me/faces"), g)
    assert same(load_discriminator("hf://me/faces"), d)
    assert read_config("hf://me/faces")["training"] == {"kimg": 3}
    assert {path.name for path in find_model("hf://me/faces").iterdir()} == set(FILES)


def test_only_what_is_needed_is_downloaded(tmp_path, fake_hub):
    save_model(fake_hub.branch("me/faces", None), *networks())
    read_config("hf://me/faces")
    assert fake_hub.downloads == ["config.json"]
    fake_hub.downloads.clear()
    load_generator("hf://me/faces")
    assert fake_hub.downloads == ["config.json", "model.safetensors"]


def test_pictures_travel_with_the_model(tmp_path, fake_hub):
    """Those beside the card, whatever they are called; what lies in the repository besides is left alone."""
    save_model(tmp_path / "m", networks()[0])
    (tmp_path / "m" / "grid [1].png").write_bytes(b"picture")
    (tmp_path / "m" / "grid 1.png").write_bytes(b"another")
    (tmp_path / "m" / ".mix.png").write_bytes(b"half")
    hub.push(tmp_path / "m", files_of(tmp_path / "m"), "me/faces")
    branch = fake_hub.branch("me/faces", None)
    assert sorted(path.name for path in branch.glob("*.png")) == ["grid 1.png", "grid [1].png"]
    assert (find_model("hf://me/faces") / "grid [1].png").read_bytes() == b"picture"


def test_a_revision_is_another_model(tmp_path, fake_hub):
    save_model(tmp_path / "m", networks(1)[0])
    url = hub.push(tmp_path / "m", FILES, "me/faces", private=True, revision="try/2")
    assert url == "https://hub.test/me/faces/tree/try/2"
    assert fake_hub.calls[:2] == [("create_repo", "me/faces", True), ("create_branch", "me/faces", "try/2")]
    save_model(fake_hub.branch("me/faces", "main"), networks(2)[0])
    assert same(load_generator("hf://me/faces@try/2"), networks(1)[0])
    assert same(load_generator("hf://me/faces"), networks(2)[0])
    assert same(load_generator(Path("hf://me/faces")), networks(2)[0])


def test_a_file_that_the_new_version_lacks_does_not_stay(tmp_path, fake_hub):
    save_model(tmp_path / "with", *networks())
    save_model(tmp_path / "without", networks()[0])
    for name in ("with", "without"):
        hub.push(tmp_path / name, FILES, "me/faces")
    assert "discriminator.safetensors" not in {path.name for path in fake_hub.branch("me/faces", None).iterdir()}


@pytest.mark.parametrize(
    "name", ["hf://", "hf://faces", "hf://a/b/c", "hf://me/fa ces", "hf://me/faces@", "hf:/", "hf://../x"]
)
def test_what_names_no_repository_says_how_to(fake_hub, name):
    line = refused([], load_generator, name)
    assert line.startswith(f"{name}: ")
    assert "hf://user/repo" in line


@pytest.mark.parametrize("name", ["faces", "me/faces/x", "hf://me/faces", "me/", "me/../x"])
def test_pushing_to_what_names_no_repository(tmp_path, fake_hub, name):
    with pytest.raises(ModelError, match="write user/repo"):
        hub.push(tmp_path, FILES, name)
    assert fake_hub.calls == []


def test_a_repository_of_something_else(fake_hub):
    fake_hub.branch("me/text", None).mkdir(parents=True)
    refused(["no config.json"], load_generator, "hf://me/text")
    (fake_hub.branch("me/text", None) / "config.json").write_text('{"model_type": "bert"}')
    refused(["format_version"], load_generator, "hf://me/text")


def http_error(kind, status):
    response = SimpleNamespace(headers={}, status_code=status, request=None)
    return kind("What the Hub said.\n\nIn two lines.", response=response)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (http_error(errors.RepositoryNotFoundError, 404), ["no such repository", "private", "hf auth login"]),
        (http_error(errors.GatedRepoError, 403), ["gated", "/me/faces"]),
        (http_error(errors.RevisionNotFoundError, 404), ["no revision 'v2'"]),
        (http_error(errors.HfHubHTTPError, 401), ["token", "hf auth login"]),
        (http_error(errors.HfHubHTTPError, 403), ["does not allow", "What the Hub said."]),
        (http_error(errors.HfHubHTTPError, 500), ["What the Hub said. In two lines."]),
        (errors.LocalEntryNotFoundError("a\nb"), ["not in the cache", "cannot be reached"]),
        (OSError(28, "No space left on device"), ["No space left on device"]),
        (RuntimeError("a\nb"), ["(a b)"]),
    ],
)
def test_what_the_hub_refuses_is_one_line(tmp_path, fake_hub, monkeypatch, error, words):
    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    monkeypatch.setattr(fake_hub, "create_repo", refuse)
    save_model(tmp_path / "m", networks()[0])
    for use in (
        lambda: load_generator("hf://me/faces@v2"),
        lambda: hub.push(tmp_path / "m", FILES, "me/faces", revision="v2"),
    ):
        refused(["me/faces", *words], use)


def test_pushing_needs_an_account(tmp_path, fake_hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    refused(["hf auth login"], hub.push, tmp_path, FILES, "me/faces")
    assert fake_hub.calls == []


def test_the_real_cache_is_enough_without_a_network(cache):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = cache / "models--me--faces"
    save_model(repository / "snapshots" / commit, networks()[0])
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    assert same(load_generator("hf://me/faces"), networks()[0])
    assert same(load_generator(f"hf://me/faces@{commit}"), networks()[0])
    assert find_model("hf://me/faces") == repository / "snapshots" / commit
    for name in ("hf://me/faces@v2", "hf://me/others"):
        line = refused([], load_generator, name)
        assert line.startswith(f"{name}: is not in the cache")
        assert "HF_HUB_OFFLINE" in line


def test_a_name_that_the_library_refuses(cache):
    refused(["no name of a repository"], load_generator, "hf://me/faces--two")
