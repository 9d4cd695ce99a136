"""The options of `python -m app` without a command, which serves the browser app."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from stylegrow.common.commandline import Dtype, File, Folder, Integer, Text

Repeated = Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL"), tyro.conf.UseAppendAction]
Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME"), tyro.conf.UseAppendAction]


@dataclass(frozen=True, kw_only=True)
class Serve:
    """The browser app."""

    model: Repeated = ()
    """a name in zoo/, a model folder, a run folder, or hf://user/repo; repeatable (default: the bundled models)"""
    models_dir: Folder = None
    """a folder of model folders or run folders, all of which are offered"""
    host: str = "127.0.0.1"
    """the address to listen at; 0.0.0.0 is the whole network"""
    port: Integer = None
    """the port to listen at (default: the first that is free, from 7860 on)"""
    share: bool = False
    """open a public address by Gradio's tunnel, which downloads a program for it"""
    allowed_hosts: Names = ()
    """a name, or a pattern such as *.example.org, by which visitors may reach it beside --host's own; repeatable"""
    behind_proxy: bool = False
    """believe what a proxy in front says of visitors (X-Forwarded-Host, -Proto and -For); it must set all three"""
    auth: Text = None
    """user:password that visitors must give; other users of this computer can see it in the list of processes"""
    auth_file: File = None
    """a file whose first line is user:password (default: the environment's STYLEGROW_AUTH)"""
    real_images: Folder = None
    """a folder of pictures for the game, at least 20, or fashion-mnist (default: what the model's training held out)"""
    runs: str = "runs"
    """the folder whose training runs are shown"""
    device: Text = None
    """cpu, cuda, cuda:1, mps, ... (default: the GPU, if there is one)"""
    dtype: Dtype = "float32"
    """of the convolutions; bf16 is faster where the machine is, and changes pictures a little"""
    max_batch: Integer = None
    """pictures drawn at once (default: what memory surely holds)"""
    max_frames: Integer = None
    """frames that a video may have (default: 240, with a GPU 1200)"""
    leaderboard: File = None
    """an SQLite file for the game's leaderboard (default: none is kept)"""
    root_path: Text = None
    """the path that a proxy in front adds, such as /stylegrow"""
    open: bool = False
    """show it in the browser at once"""
