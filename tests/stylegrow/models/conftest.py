import huggingface_hub
import pytest

from tests.stylegrow.models.hub import FakeHub


@pytest.fixture
def fake_hub(tmp_path, monkeypatch):
    """The Hub that stylegrow.models.hub sees, with a user logged in."""
    fake = FakeHub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "token")
    return fake
