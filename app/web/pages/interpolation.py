"""Interpolate: a video of the path from seed to seed."""

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
from app.web.files import save_image
from app.web.pages import controls
from stylegrow.common.errors import InputError
from stylegrow.models.info import ModelInfo
from stylegrow.rendering import figures
from stylegrow.rendering.grids import resized
from stylegrow.rendering.video import has_h264, write_video
from stylegrow.sampling.paths import path_length

ID = "video"
MOST_SEEDS = 64
FRAMES, FEWEST_FRAMES, MOST_FRAMES = 30, 8, 120
FPS, FEWEST_FPS, MOST_FPS = 24, 1, 60
SPACES = (("w: straight", "w"), ("z: on the sphere", "z"))
EASINGS = ("linear", "smoothstep", ("cubic, in and out", "cubic"), ("spline through all", "spline"))
ALSO = ("nothing", ("WebP", "webp"), ("GIF", "gif"), ("all frames (zip)", "frames"))
SMALLEST = 256  # px, of the video
LONGEST_WAIT = 0.5  # seconds between reports of how far it is


def build(context: Context) -> None:
    """The tab."""
    with gr.Tab("Interpolate", id=ID), controls.row():
        with controls.column(2):
            keys = controls.seeds(context, "0-3", MOST_SEEDS, 2, info="the video goes from each to the next")
            frames = controls.slider(
                context, "Frames from seed to seed", FEWEST_FRAMES, MOST_FRAMES, FRAMES, name="Frames"
            )
            fps = controls.slider(context, "Frames a second", FEWEST_FPS, MOST_FPS, FPS)
            with gr.Row():
                loop = controls.flag(context, "Back to the first", True, min_width=120)
                ping_pong = controls.flag(context, "There and back", min_width=120)
            psi = controls.psi(context)
            label, _ = controls.label(context)
            info = "empty: as at the first; between them in equal steps"
            to_label = context.checked(
                gr.Textbox(label="Label at the last seed", info=info, visible=_labelled(context.first)), checks.label
            )
            with gr.Accordion("Advanced", open=False):
                info = "w is where a StyleGAN's styles come from"
                space = controls.choice(context, "Space", SPACES, info=info)
                easing = controls.choice(context, "Pace", EASINGS)
                also = controls.choice(context, "Besides the video, make", ALSO, "The other file")
            first = context.models.first
            estimate = gr.HTML(_estimate(context, 4, FRAMES, FPS, True, False, first), elem_id="estimate")
            with gr.Row(elem_classes="buttons"):
                make = gr.Button("Make the video", variant="primary", elem_id="make-video", scale=2, min_width=150)
                stop = gr.Button("Stop", min_width=90)
        with controls.column(3):
            shown: dict[str, Any] = {"label": "Video", "interactive": False, "buttons": ["download"]}
            video = gr.Video(autoplay=True, loop=True, visible=has_h264(), elem_id="video", **shown)
            image = gr.Image(type="filepath", visible=not has_h264(), **shown)
            other = gr.File(label="The other file", visible=False, interactive=False)
            drawn = controls.drawn(ID)
            asked = gr.Button("Interpolate", visible=False)  # by programs, whose lists of values stay as they are
    context.follow([space], lambda card: [gr.update(visible=card is None or card.styled)])
    context.follow([to_label], lambda card: [gr.update(value="", visible=_labelled(card))])
    context.fields[ID] = {"keys": keys, "frames": frames, "fps": fps, "loop": loop, "ping_pong": ping_pong}
    context.fields[ID] |= {"space": space, "pace": easing, "psi": psi, "class": label, "to_class": to_label}

    def estimated(keys: list[int], frames: int, fps: int, loop: bool, ping_pong: bool, model: str) -> str:
        """How long a video would be, and take."""
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
        to_label: str | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  (how Gradio is asked for it)
    ) -> Iterator[Any]:
        """A video (H.264) of the path through the seeds, and on demand a WebP, a GIF or all frames besides.

        With `to_label` the label goes from `label` at the first seed to that at the last.
        """
        total = _frames(context, len(keys), frames, loop, ping_pong)
        drawing = controls.start_drawing(context, model, total, psi=psi, label=label)
        sampler, setting = drawing.sampler, drawing.setting
        to, facts = None, {}
        if to_label is not None and drawing.card.labels:
            if setting.label is None:
                raise InputError("Choose the label at the first seed too.")
            to, facts = controls.setting(sampler, drawing.card, psi=psi, label=to_label), {"to_class": to_label}
            space = "z"  # where every frame has the label of its time
        path: Any = (space if drawing.card.styled else "z", setting, easing, ping_pong, to)
        text = drawing.text(seeds=keys, frames=frames, fps=fps, space=path[0], pace=easing, loop=loop, **facts)
        size = figures.cell_size(sampler, setting, max(setting.resolution or 0, SMALLEST), 1)
        kept: list[np.ndarray] = []

        def work(step: Callable[[], None]) -> tuple[Path, str | None]:
            def sized() -> Iterator[np.ndarray]:
                for frame in sampler.path(keys, frames, loop, *path):
                    step()
                    if also != "nothing":
                        kept.append(frame)
                    yield resized(frame, size)

            made = write_video(drawing.folder, "interpolate", sized(), fps, text)
            return made, _other_file(also, kept, drawing.folder, fps, size, text)

        for done in _in_background(work):
            if isinstance(done, int):
                progress((done, total), desc="frames", unit="frames")
                yield gr.skip(), gr.skip(), gr.skip(), gr.skip()
            else:
                made, more = done
                said = controls.report(f"A video of {total} frames in {drawing.took(total).partition(' in ')[2]}.")
                places = [str(made), None] if made.suffix == ".mp4" else [None, str(made)]
                yield *places, gr.update(value=more, visible=more is not None), said

    timing: list[Any] = [keys, frames, fps, loop, ping_pong]
    context.bind(
        [control.change for control in timing],
        estimated,
        [*timing, context.model],
        [estimate],
        draws=False,
        show_progress="hidden",
        trigger_mode="always_last",
    )
    inputs, outputs = [*timing, space, easing, also, psi, label, context.model], [video, image, other, drawn]
    shows: dict[str, Any] = {"show_progress": "full", "show_progress_on": [video]}
    context.bind(asked.click, interpolate, inputs, outputs, name="interpolate")
    made = context.bind(make.click, interpolate, [*inputs, to_label], outputs, then=controls.say(ID), **shows)
    stop.click(None, cancels=[made], js="() => window.stylegrow.say('Stopped.')", api_visibility="private")


def _labelled(card: ModelInfo | None) -> bool:
    return card is not None and bool(card.labels)


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


def _other_file(
    kind: str, frames: list[np.ndarray], folder: Path, fps: int, size: int, text: dict[str, str]
) -> str | None:
    """The other file that is wished for: the frames as drawn, or a WebP or GIF as large as the video."""
    if kind == "nothing":
        return None
    if kind == "frames":
        path = folder / "frames.zip"
        with zipfile.ZipFile(path, "w") as archive:  # PNGs, which do not become smaller
            for index, frame in enumerate(frames):
                image = Path(save_image(frame, folder, f"frame{index:04d}", text))
                archive.write(image, image.name)
                image.unlink()
        return str(path)
    path = folder / f"interpolate.{kind}"
    first, *rest = (Image.fromarray(np.broadcast_to(resized(frame, size), (size, size, 3))) for frame in frames)
    first.save(path, save_all=True, append_images=rest, duration=max(round(1000 / fps), 20), loop=0)
    return str(path)


def _frames(context: Context, keys: int, frames: int, loop: bool, ping_pong: bool) -> int:
    """How many there would be. InputError when these are too many."""
    total = path_length(keys, frames, loop, ping_pong)
    if total > context.limits.frames:
        raise InputError(
            f"This video would have {total} frames; the limit here is {context.limits.frames}. "
            "Use fewer seeds or fewer frames per step."
        )
    return total


def _estimate(
    context: Context, keys: int, frames: int, fps: int, loop: bool, ping_pong: bool, model: str | None
) -> str:
    try:
        total = _frames(context, keys, frames, loop, ping_pong)
    except InputError as error:
        return controls.note(str(error))
    seconds = context.models.seconds(model)
    takes = "" if seconds is None else f"; making it takes about {max(seconds * total, 1):.0f} s"
    return f'<p class="hint">{total} frames, {total / fps:.1f} s{takes}.</p>'
