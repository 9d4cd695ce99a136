"""A Hugging Face Hub in a folder: what huggingface_hub's functions do, without a network."""

import shutil
from pathlib import Path

from huggingface_hub.utils import filter_repo_objects


class FakeHub:
    """Repositories as folders root/user/repo/revision, and a record of what was asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.downloads: list[str] = []
        self.calls: list[tuple[object, ...]] = []

    def branch(self, repo: str, revision: str | None) -> Path:
        return self.root / repo / (revision or "main")

    def snapshot_download(self, repo, *, revision=None, allow_patterns, tqdm_class):
        there = sorted(path.name for path in self.branch(repo, revision).iterdir())
        snapshot = self.root / "cache" / repo / (revision or "main")
        snapshot.mkdir(parents=True, exist_ok=True)
        for name in tqdm_class(filter_repo_objects(there, allow_patterns=allow_patterns)):
            self.downloads.append(name)
            shutil.copy(self.branch(repo, revision) / name, snapshot / name)
        return str(snapshot)

    def create_repo(self, repo, *, private, exist_ok):
        assert exist_ok
        self.calls.append(("create_repo", repo, private))
        self.branch(repo, None).mkdir(parents=True, exist_ok=True)
        return f"https://hub.test/{repo}"

    def create_branch(self, repo, *, branch, exist_ok):
        assert exist_ok
        self.calls.append(("create_branch", repo, branch))
        self.branch(repo, branch).mkdir(parents=True, exist_ok=True)

    def upload_folder(self, *, repo_id, folder_path, allow_patterns, delete_patterns, revision, commit_message):
        self.calls.append(("upload_folder", repo_id, revision, commit_message))
        branch = self.branch(repo_id, revision)
        if delete_patterns:
            for name in filter_repo_objects([path.name for path in branch.iterdir()], allow_patterns=delete_patterns):
                (branch / name).unlink()
        for name in filter_repo_objects([path.name for path in folder_path.iterdir()], allow_patterns=allow_patterns):
            shutil.copy(folder_path / name, branch / name)
