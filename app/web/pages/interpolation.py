"""Interpolate: a film of the way from seed to seed."""

import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Condition
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from app.web import checks
from app.web.context import Context
from app.web.files import new_folder, save_picture
from app.web.pages import controls
from stylegrow.common.errors import InputError
from stylegrow.rendering import figures
from stylegrow.rendering.grids import resized
from stylegrow.rendering.video import has_h264, write_film
from stylegrow.sampling.engine import path_length

ID = "film"
MOST_SEEDS = 64
FRAMES, FEWEST_FRAMES, MOST_FRAMES = 30, 8, 120
FEWEST_FPS, MOST_FPS = 1, 60
SPACES = ("w", "z")
EASINGS = ("linear", "smoothstep", "cubic", "spline")
ALSO = ("nothing", "webp", "gif", "frames")
SMALLEST = 256  # px, of the film
LONGEST_WAIT = 0.5  # seconds between reports of how far it is


def build(context: Context) -> None:
    """The tab."""
    with gr.Tab("Interpolate", id=ID), gr.Row(equal_height=False, elem_classes="pictures-first"):
        with gr.Column(scale=2, min_width=280):
            keys = context.checked(
                gr.Textbox("0-3", label="Seeds", info="the film goes from each to the next", max_lines=1),
                checks.several_seeds(2, MOST_SEEDS),
            )
            frames = context.checked(
                gr.Slider(FEWEST_FRAMES, MOST_FRAMES, FRAMES, step=1, label="Frames from seed to seed"),
                checks.whole(FEWEST_FRAMES, MOST_FRAMES, "Frames"),
            )
            fps = context.checked(
                gr.Slider(FEWEST_FPS, MOST_FPS, 24, step=1, label="Frames a second"),
                checks.whole(FEWEST_FPS, MOST_FPS, "Frames a second"),
            )
            with gr.Row():
                loop = context.checked(gr.Checkbox(True, label="Back to the first", min_width=120), checks.flag)
                ping_pong = context.checked(gr.Checkbox(False, label="There and back", min_width=120), checks.flag)
            psi = controls.psi(context)
            label = controls.label(context)
            with gr.Accordion("Advanced", open=False):
                space = context.checked(
                    gr.Radio(
                        [("w: straight", "w"), ("z: on the sphere", "z")], value="w", label="Space",
                        info="w is where a StyleGAN's styles come from",
                    ),
                    checks.one_of(SPACES, "Space"),
                )  # fmt: skip
                easing = context.checked(
                    gr.Radio(
                        [("linear", "linear"), ("smoothstep", "smoothstep"), ("cubic, in and out", "cubic"),
                         ("spline through all", "spline")],
                        value="linear", label="Pace",
                    ),
                    checks.one_of(EASINGS, "Pace"),
                )  # fmt: skip
                also = context.checked(
                    gr.Radio(
                        [("nothing", "nothing"), ("WebP", "webp"), ("GIF", "gif"), ("all frames (zip)", "frames")],
                        value="nothing", label="Besides the film, make",
                    ),
                    checks.one_of(ALSO, "The other file"),
                )  # fmt: skip
            estimate = gr.HTML(_estimate(context, 4, FRAMES, 24, True, False, context.models.first), elem_id="estimate")
            with gr.Row(elem_classes="buttons"):
                make = gr.Button("Make the film", variant="primary", elem_id="make-film", scale=2, min_width=150)
                stop = gr.Button("Stop", elem_id="stop-film", min_width=90)
        with gr.Column(scale=3, min_width=280):
            video = gr.Video(
                label="Film", interactive=False, autoplay=True, loop=True, buttons=["download"], visible=has_h264(),
                elem_id="film",
            )  # fmt: skip
            picture = gr.Image(
                label="Film", type="filepath", interactive=False, buttons=["download"], visible=not has_h264()
            )
            other = gr.File(label="The other file", visible=False, interactive=False)
            drawn = controls.drawn(ID)
    context.follow([space], lambda card: [gr.update(visible=card is None or card.styled)])
    context.fields |= {"keys": keys, "frames": frames, "fps": fps}

    def estimated(keys: list[int], frames: int, fps: int, loop: bool, ping_pong: bool, model: str) -> str:
        """How long a film would be, and take."""
        return _estimate(context, len(keys), frames, fps, loop, ping_pong, model)

    def interpolate(
        keys: list[int],
        frames: int,
        fps: int,
        loop: bool,
        ping_pong: bool,
        space: str,
        easing: str,
        also: str,
        psi: float,
        label: str | None,
        model: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  (how Gradio is asked for it)
    ) -> Iterator[Any]:
        """A film (H.264) of the way through the seeds, and on demand a WebP, a GIF or all frames besides."""
        start = time.perf_counter()
        total = path_length(len(keys), frames, loop, ping_pong)
        if total > context.limits.frames:
            raise InputError(
                f"This video would have {total} frames; the limit here is {context.limits.frames}. "
                "Use fewer seeds or fewer frames per step."
            )
        card, engine = controls.opened(context, model, total)
        setting = controls.setting(engine, card, psi=psi, label=label)
        way: Any = (space if card.styled else "z", setting, easing, ping_pong)
        text = engine.text(setting, seeds=keys, frames=frames, fps=fps, space=way[0], pace=easing, loop=loop)
        size = figures.cell_size(engine, setting, max(setting.resolution or 0, SMALLEST), 1)
        folder, kept = new_folder(context.files), []

        def drawn(frame: np.ndarray) -> np.ndarray:
            if also != "nothing":
                kept.append(frame)
            return resized(frame, size)

        def work(step: Callable[[], None]) -> tuple[Path, str | None]:
            def shown() -> Iterator[np.ndarray]:
                for frame in engine.path(keys, frames, loop, *way):
                    step()
                    yield drawn(frame)

            film = write_film(folder, "interpolate", shown(), fps, text)
            return film, _also(also, kept, folder, fps, size, text)

        for done in _in_background(work):
            if isinstance(done, int):
                progress((done, total), desc="frames", unit="frames")
                yield gr.skip(), gr.skip(), gr.skip(), gr.skip()
            else:
                film, more = done
                said = f"A film of {total} frames in {time.perf_counter() - start:.2g} s."
                places = [str(film), None] if film.suffix == ".mp4" else [None, str(film)]
                yield *places, gr.update(value=more, visible=more is not None), controls.report(said)

    timing = [keys, frames, fps, loop, ping_pong, context.model]
    changes = [control.change for control in (keys, frames, fps, loop, ping_pong)]
    context.bind(
        changes, estimated, timing, [estimate], draws=False, show_progress="hidden", trigger_mode="always_last"
    )
    inputs = [keys, frames, fps, loop, ping_pong, space, easing, also, psi, label, context.model]
    made = context.bind(
        make.click, interpolate, inputs, [video, picture, other, drawn], name="interpolate", show_progress="full",
        show_progress_on=[video],
    )  # fmt: skip
    made.success(None, drawn, js=controls.say(ID), api_visibility="private")
    stop.click(None, cancels=[made], js="() => window.stylegrow.say('Stopped.')", api_visibility="private")


def _in_background(work: Callable[[Callable[[], None]], Any]) -> Iterator[Any]:
    """How many steps `work` has come, now and then, and last what it returns; closed, it has work end."""
    steps, stopped, moved = 0, False, Condition()

    def step() -> None:
        nonlocal steps
        if stopped:
            raise InterruptedError
        with moved:
            steps += 1
            moved.notify()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, step)
        try:
            while not future.done():
                with moved:
                    moved.wait(LONGEST_WAIT)
                yield steps
            yield future.result()
        finally:
            stopped = True


def _also(also: str, frames: list[np.ndarray], folder: Path, fps: int, size: int, text: dict[str, str]) -> str | None:
    """The other file that is wished for: the frames as drawn, or a WebP or GIF as large as the film."""
    if also == "nothing":
        return None
    if also == "frames":
        path = folder / "frames.zip"
        with zipfile.ZipFile(path, "w") as archive:  # PNGs, which do not become smaller
            for index, frame in enumerate(frames):
                name = f"frame{index:04d}"
                picture = Path(save_picture(frame, folder, name, text))
                archive.write(picture, picture.name)
                picture.unlink()
        return str(path)
    path = folder / f"interpolate.{also}"
    first, *rest = (Image.fromarray(np.broadcast_to(resized(frame, size), (size, size, 3))) for frame in frames)
    first.save(path, save_all=True, append_images=rest, duration=max(round(1000 / fps), 20), loop=0)
    return str(path)


def _estimate(
    context: Context, keys: int, frames: int, fps: int, loop: bool, ping_pong: bool, model: str | None
) -> str:
    total = path_length(keys, frames, loop, ping_pong)
    if total > context.limits.frames:
        return controls.note(
            f"This video would have {total} frames; the limit here is {context.limits.frames}. "
            "Use fewer seeds or fewer frames per step."
        )
    seconds = context.models.seconds(model)
    takes = "" if seconds is None else f"; making it takes about {max(seconds * total, 1):.0f} s"
    return f'<p class="hint">{total} frames, {total / fps:.1f} s{takes}.</p>'
