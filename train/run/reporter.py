"""Reports of a run: lines on the terminal and in log.txt, and a progress bar."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from stylegrow.common.commandline import discard
from stylegrow.common.files import append_line
from stylegrow.common.text import duration
from train.step.objectives import OBJECTIVES

LEGEND = (
    "res: resolution; alpha: how far its block is faded in; kimg: thousands of real pictures shown; "
    "lossD, lossG: objectives; W, JS, TV: what the critic's loss estimates, a Wasserstein distance, Jensen-Shannon "
    "divergence or total variation; p: probability of an augmentation; gradD, gradG, grad: gradient norms; "
    "loss: minus the ELBO in nats a value; rmse: error of reconstructions in grey levels; KL: divergence from the "
    "prior in nats; mem: memory of this process; left: time left"
)
TITLES = (
    {"lossD": "D/loss", "lossG": "G/loss"}
    | {objective.estimate.symbol: f"D/{objective.estimate.name}" for objective in OBJECTIVES.values()}
    | {"p": "D/augment_p", "gradD": "D/gradient", "gradG": "G/gradient"}
    | {"loss": "VAE/loss", "rmse": "VAE/rmse", "KL": "VAE/kl", "grad": "VAE/gradient"}
)


class Reporter:
    """Writes what a run reports; with `run` None, in all processes but the main one, it writes nothing."""

    def __init__(self, run: Path | None) -> None:
        self.run = run
        self.bar: tqdm | None = None
        self._log: TextIO | None = None
        if run is not None:
            self._log = (run / "log.txt").open("a", encoding="utf-8", errors="backslashreplace", buffering=1)

    def say(self, text: str) -> None:
        """A line for the user, and for log.txt."""
        if self._log is None:
            return
        self._log.write(text + "\n")
        try:
            if self.bar is None:
                print(text, flush=True)
            else:
                self.bar.write(text)
        except OSError:
            discard(sys.stdout)  # nobody reads it any more; log.txt has it all

    def start_bar(self, images: int, total: int) -> None:
        """Show a progress bar where there is a terminal."""
        if self._log is not None and sys.stderr.isatty():
            self.bar = tqdm(total=total, initial=min(images, total), unit="img", dynamic_ncols=True, smoothing=0.05)

    def advance(self, images: int) -> None:
        """Move the bar to so many images; the last batch may go beyond its end."""
        if self.bar is not None:
            self.bar.update(min(images, self.bar.total) - self.bar.n)

    def tick(self, stats: Mapping[str, Any]) -> None:
        """A line of progress, and the same in stats.jsonl."""
        if self.run is None:
            return
        append_line(self.run / "stats.jsonl", json.dumps(stats))
        self.say(progress_line(stats))

    def close(self) -> None:
        """End the bar and the log."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
        if self._log is not None:
            self._log.close()


def progress_line(stats: Mapping[str, Any]) -> str:
    """A line of stats.jsonl for people."""
    parts = [
        f"res {stats['resolution']:<4}",
        f"alpha {stats['alpha']:.2f}",
        f"kimg {stats['kimg']:<8.1f}",
        f"img/s {stats['img_per_sec']:<6.1f}",
        f"sec/kimg {stats['sec_per_kimg'] or 0:<7.2f}",
    ]
    parts += [f"{title} {stats[name]:<7.3g}" for title, name in TITLES.items() if name in stats]
    parts.append(f"mem {stats['memory_gb']:.1f} GB")
    parts.append(f"left {duration(stats['left_sec'])}")
    if stats["skipped_steps"]:
        parts.append(f"skipped {stats['skipped_steps']} steps")
    return "  ".join(parts)
