from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants, errors

from progan import Discriminator, Generator
from stylegrow.common.errors import ModelError
from stylegrow.models import find_model, hub, load_discriminator, load_generator, read_config, save_model
from stylegrow.models.folders import FILES, files_of

SMALL = {"resolution": 8, "fmap_base": 32, "fmap_max": 8}


def generator(seed=0):
    torch.manual_seed(seed)
    return Generator(z_dim=6, **SMALL)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def message(raised):
    text = str(raised.value)
    assert "\n" not in text
    return text


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """huggingface_hub's own cache, empty, and no way to the Hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


def test_what_was_pushed_is_loaded_by_its_id(tmp_path, fake_hub):
    g, d = generator(), Discriminator(**SMALL)
    save_model(tmp_path / "m", g, d, training={"kimg": 3})
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
    save_model(fake_hub.branch("me/faces", None), generator(), Discriminator(**SMALL))
    read_config("hf://me/faces")
    assert fake_hub.downloads == ["config.json"]
    fake_hub.downloads.clear()
    load_generator("hf://me/faces")
    assert fake_hub.downloads == ["config.json", "model.safetensors"]


def test_pictures_travel_with_the_model(tmp_path, fake_hub):
    """Those beside the card, whatever they are called; what lies in the repository besides is left alone."""
    save_model(tmp_path / "m", generator())
    (tmp_path / "m" / "grid [1].png").write_bytes(b"picture")
    (tmp_path / "m" / "grid 1.png").write_bytes(b"another")
    (tmp_path / "m" / ".mix.png").write_bytes(b"half")
    hub.push(tmp_path / "m", files_of(tmp_path / "m"), "me/faces")
    branch = fake_hub.branch("me/faces", None)
    assert sorted(path.name for path in branch.glob("*.png")) == ["grid 1.png", "grid [1].png"]
    assert (find_model("hf://me/faces") / "grid [1].png").read_bytes() == b"picture"


def test_a_revision_is_another_model(tmp_path, fake_hub):
    save_model(tmp_path / "m", generator(1))
    url = hub.push(tmp_path / "m", FILES, "me/faces", private=True, revision="try/2")
    assert url == "https://hub.test/me/faces/tree/try/2"
    assert fake_hub.calls[:2] == [("create_repo", "me/faces", True), ("create_branch", "me/faces", "try/2")]
    save_model(fake_hub.branch("me/faces", "main"), generator(2))
    assert same(load_generator("hf://me/faces@try/2"), generator(1))
    assert same(load_generator("hf://me/faces"), generator(2))
    assert same(load_generator(Path("hf://me/faces")), generator(2))


def test_a_file_that_the_new_version_lacks_does_not_stay(tmp_path, fake_hub):
    save_model(tmp_path / "with", generator(), Discriminator(**SMALL))
    save_model(tmp_path / "without", generator())
    for name in ("with", "without"):
        hub.push(tmp_path / name, FILES, "me/faces")
    assert "discriminator.safetensors" not in {path.name for path in fake_hub.branch("me/faces", None).iterdir()}


@pytest.mark.parametrize(
    "name", ["hf://", "hf://faces", "hf://a/b/c", "hf://me/fa ces", "hf://me/faces@", "hf:/", "hf://../x"]
)
def test_what_names_no_repository_says_how_to(fake_hub, name):
    with pytest.raises(ModelError) as raised:
        load_generator(name)
    assert message(raised).startswith(f"{name}: ")
    assert "hf://user/repo" in message(raised)


@pytest.mark.parametrize("name", ["faces", "me/faces/x", "hf://me/faces", "me/", "me/../x"])
def test_pushing_to_what_names_no_repository(tmp_path, fake_hub, name):
    with pytest.raises(ModelError, match="write user/repo"):
        hub.push(tmp_path, FILES, name)
    assert fake_hub.calls == []


def test_a_repository_of_something_else(fake_hub):
    fake_hub.branch("me/text", None).mkdir(parents=True)
    with pytest.raises(ModelError) as raised:
        load_generator("hf://me/text")
    assert "no config.json" in message(raised)
    (fake_hub.branch("me/text", None) / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError) as raised:
        load_generator("hf://me/text")
    assert "format_version" in message(raised)


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
    save_model(tmp_path / "m", generator())
    for use in (
        lambda: load_generator("hf://me/faces@v2"),
        lambda: hub.push(tmp_path / "m", FILES, "me/faces", revision="v2"),
    ):
        with pytest.raises(ModelError) as raised:
            use()
        assert all(word in message(raised) for word in ["me/faces", *words])


def test_pushing_needs_an_account(tmp_path, fake_hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(ModelError) as raised:
        hub.push(tmp_path, FILES, "me/faces")
    assert "hf auth login" in message(raised)
    assert fake_hub.calls == []


def test_the_real_cache_is_enough_without_a_network(cache):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = cache / "models--me--faces"
    save_model(repository / "snapshots" / commit, generator())
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    assert same(load_generator("hf://me/faces"), generator())
    assert same(load_generator(f"hf://me/faces@{commit}"), generator())
    assert find_model("hf://me/faces") == repository / "snapshots" / commit
    for name in ("hf://me/faces@v2", "hf://me/others"):
        with pytest.raises(ModelError) as raised:
            load_generator(name)
        assert message(raised).startswith(f"{name}: is not in the cache")
        assert "HF_HUB_OFFLINE" in message(raised)


def test_a_name_that_the_library_refuses(cache):
    with pytest.raises(ModelError) as raised:
        load_generator("hf://me/faces--two")
    assert "no name of a repository" in message(raised)
