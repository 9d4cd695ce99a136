"""Models on the Hugging Face Hub: `hf://user/repo`, or `hf://user/repo@revision` for a branch, tag or commit.

Everything goes through huggingface_hub: its cache, its token (`hf auth login` or HF_TOKEN), its settings (HF_HOME,
HF_HUB_OFFLINE, HF_ENDPOINT).
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stylegrow.common.errors import ModelError
from stylegrow.common.text import one_line

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*")
REFERENCE = re.compile(rf"hf:/+({NAME.pattern})/?(?:@(.+))?")
LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


def is_reference(name: str | os.PathLike[str]) -> bool:
    """Whether this names a model on the Hub, rightly or not. A Path of such a name has lost a slash, and counts too."""
    return str(name).startswith("hf:/")


def fetch(reference: str | os.PathLike[str], files: Sequence[str]) -> Path:
    """The folder of huggingface_hub's cache that holds those of these files that the repository has, of one commit.

    A file may be a pattern, such as "*.png". What is there is not downloaded again, and where the Hub cannot be reached
    it is all there is. ModelError, in one line, for a reference that cannot be read or had.
    """
    match = REFERENCE.fullmatch(str(reference))
    if not match:
        raise ModelError(f"{reference}: is no model on the Hub; write hf://user/repo or hf://user/repo@revision")
    repo, revision = match.groups()
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import tqdm

    class Progress(tqdm):
        """The library's own progress bar, unless the files are there already."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **({"delay": 1} | options))

    try:
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=list(files), tqdm_class=Progress))
    except Exception as error:  # those of the libraries below it have no base in common
        raise ModelError(f"{reference}: {_reason(error, repo, revision)}") from error
    if not (folder / "config.json").is_file():
        raise ModelError(f"{reference}: the repository has no config.json, so it is no model that can be read here")
    return folder


def is_cached(path: Path) -> bool:
    """Whether a file lies in huggingface_hub's cache, whose snapshots are links to what was downloaded once."""
    from huggingface_hub import constants

    return path.is_relative_to(Path(constants.HF_HUB_CACHE).resolve())


def push(
    folder: Path,
    files: Sequence[str],
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
) -> str:
    """Upload those of these files that the folder holds, as one commit, and return the repository's address.

    The repository is made if it is not there, and the branch `revision` too; those of `files` that the folder lacks
    are removed from it. ModelError, in one line, for what the Hub does not allow.
    """
    from huggingface_hub import HfApi, get_token

    check_repo(repo)
    if not get_token():
        raise ModelError(f"{repo}: uploading needs an account on the Hub; {LOG_IN}")
    here = [name for name in files if (folder / name).is_file()]
    api = HfApi()
    try:
        # None leaves the choice to the organisation's own rule.
        url = str(api.create_repo(repo, private=private or None, exist_ok=True))
        if revision:
            api.create_branch(repo, branch=revision, exist_ok=True)
        api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=[glob.escape(name) for name in here],
            delete_patterns=[glob.escape(name) for name in files if name not in here] or None,
            revision=revision,
            commit_message=message,
        )
    except Exception as error:
        raise ModelError(f"{repo}: {_reason(error, repo, revision)}") from error
    return f"{url}/tree/{revision}" if revision else url


def check_repo(repo: str) -> None:
    """ModelError unless this can be the name of a repository: user/repo."""
    if not NAME.fullmatch(repo):
        raise ModelError(f"{repo}: is no repository on the Hub; write user/repo")


def _reason(error: Exception, repo: str, revision: str | None) -> str:
    """What went wrong, and what to do."""
    from huggingface_hub import constants, errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return f"the repository is gated; ask for access at {constants.ENDPOINT}/{repo}, then {LOG_IN}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"the Hub has no such repository, or it is private; correct the name, or {LOG_IN}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the repository has no revision {revision or 'main'!r}"
    if isinstance(error, errors.HFValidationError):
        return f"is no name of a repository ({one_line(error)})"
    if isinstance(error, errors.OfflineModeIsEnabled) or (
        isinstance(error, errors.LocalEntryNotFoundError) and constants.HF_HUB_OFFLINE
    ):
        return "is not in the cache, and HF_HUB_OFFLINE keeps the Hub from being asked"
    if isinstance(error, errors.LocalEntryNotFoundError):
        cause = f" ({one_line(error.__cause__)})" if error.__cause__ else ""
        return f"is not in the cache, and the Hub cannot be reached{cause}"
    if status == 401:
        return f"the Hub does not know the token; {LOG_IN}"
    if status == 403:
        return f"the token does not allow this ({one_line(error)})"
    return f"the Hub cannot be used ({one_line(error)})"
