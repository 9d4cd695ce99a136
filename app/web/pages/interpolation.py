"""Interpolate: a video of the path from seed to seed."""

import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Condition
from typing import Any, cast

import gradio as gr
import numpy as np
from PIL import Image

from app.web import checks
from app.web.context import Context
from app.web.files import save_image
from app.web.pages import controls
from stylegrow.common.errors import InputError
from stylegrow.common.text import duration
from stylegrow.models.info import ModelInfo
from stylegrow.rendering import figures
from stylegrow.rendering.grids import resized
from stylegrow.rendering.video import VideoFormat, has_h264, write_video
from stylegrow.sampling.paths import path_length

ID = "video"
MOST_SEEDS = 64
FRAMES, FEWEST_FRAMES, MOST_FRAMES = 30, 8, 120
FPS, FEWEST_FPS, MOST_FPS = 24, 1, 60
SPACES = (("w: straight", "w"), ("z: on the sphere", "z"))
EASINGS = ("linear", "smoothstep", ("cubic, in and out", "cubic"), ("spline through all", "spline"))
ALSO = ("nothing", ("WebP", "webp"), ("GIF", "gif"), ("all frames (zip)", "frames"))
SMALLEST = 256  # px, of the video
PREVIEW, PREVIEW_SECONDS = 128, 1.0  # px, and how long drawing one may take
MOST_PREVIEWED = 32  # frames
LONGEST_WAIT = 0.5  # seconds between reports of how far it is


def build(context: Context) -> None:
    """The tab."""
    paces: dict[str, float] = {}  # seconds that a frame of the last video took, by model
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
            estimate = gr.HTML(
                _estimate(context, 4, FRAMES, FPS, True, False, context.models.seconds(first)), elem_id="estimate"
            )
            with gr.Row(elem_classes="buttons"):
                make = gr.Button("Make the video", variant="primary", elem_id="make-video", scale=2, min_width=150)
                stop = gr.Button("Stop", interactive=False, min_width=90, elem_id="stop-video")
        with controls.column(3):
            preview = gr.Image(
                label="Preview", type="filepath", interactive=False, visible=False, buttons=[], elem_id="preview"
            )
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
        return _estimate(
            context, len(keys), frames, fps, loop, ping_pong, paces.get(model, context.models.seconds(model))
        )

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
        drawing, path, facts = started(keys, space, easing, ping_pong, psi, label, model, to_label, total)
        text = drawing.text(seeds=keys, frames=frames, fps=fps, space=path[0], pace=easing, loop=loop, **facts)
        size = figures.cell_size(
            drawing.sampler, drawing.setting, max(drawing.sampler.own_size(drawing.setting), SMALLEST), 1
        )

        def work(step: Callable[[], None]) -> tuple[Path, str | None]:
            def stepped() -> Iterator[np.ndarray]:
                for frame in drawing.sampler.path(keys, frames, loop, *path):
                    step()
                    yield frame

            return make_files(drawing.folder, stepped(), total, size, fps, text, also)

        start = time.perf_counter()
        for done in _in_background(work):
            took = time.perf_counter() - start
            if isinstance(done, int):
                left = f", {duration(took / done * (total - done))} left" if done else ""
                progress((done, total), desc=f"frames{left}", unit="frames")
                yield gr.skip(), gr.skip(), gr.skip(), gr.skip()
            else:
                made, more = done
                paces[model] = took / total
                said = controls.report(f"A video of {total} frames in {drawing.took(total).partition(' in ')[2]}.")
                places = [str(made), None] if made.suffix == ".mp4" else [None, str(made)]
                yield *places, gr.update(value=more, visible=more is not None), said

    def started(
        keys: Sequence[int],
        space: str,
        easing: str,
        ping_pong: bool,
        psi: float,
        label: str | None,
        model: str,
        to_label: str | None,
        total: int,
    ) -> tuple[controls.Drawing, Any, dict[str, Any]]:
        """What draws a video, the last arguments of its path, and what more its file tells."""
        drawing = controls.start_drawing(context, model, total, psi=psi, label=label)
        to, facts = None, {}
        if to_label is not None and drawing.card.labels:
            if drawing.setting.label is None:
                raise InputError("Choose the label at the first seed too.")
            to, facts = controls.setting(drawing.sampler, drawing.card, psi=psi, label=to_label), {"to_class": to_label}
            space = "z"  # where every frame has the label of its time
        return drawing, (space if drawing.card.styled else "z", drawing.setting, easing, ping_pong, to), facts

    def previewed(
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
        to_label: str | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Any]:
        """The video, before it a small one of few of its frames; meanwhile it can be stopped."""
        total = _frames(context, len(keys), frames, loop, ping_pong)
        drawing, path, _ = started(keys, space, easing, ping_pong, psi, label, model, to_label, total)
        yield gr.update(interactive=True), *[gr.skip()] * 5
        most = min(PREVIEW_SECONDS / (context.models.seconds(model) or PREVIEW_SECONDS), MOST_PREVIEWED)
        few = max(int(most * frames / total), 1)  # from seed to seed
        count = path_length(len(keys), few, loop, ping_pong)
        small = (resized(frame, min(len(frame), PREVIEW)) for frame in drawing.sampler.path(keys, few, loop, *path))
        shown = write_video(drawing.folder, "preview", small, count, max(round(fps * count / total), 1), None, "webp")
        yield gr.skip(), gr.update(value=str(shown), visible=True), *[gr.skip()] * 4
        inputs = (keys, frames, fps, loop, ping_pong, space, easing, also, psi, label, model, to_label)
        for made in interpolate(*inputs, progress):
            yield gr.skip(), gr.skip(), *made

    def over() -> tuple[Any, Any]:
        """Nothing to stop, and no preview."""
        return gr.update(interactive=False), gr.update(visible=False)

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
    context.show(ID, estimated, [*timing, context.model], [estimate])
    inputs, outputs = [*timing, space, easing, also, psi, label, context.model], [video, image, other, drawn]
    shows: dict[str, Any] = {"show_progress": "full", "show_progress_on": [video]}
    context.bind(asked.click, interpolate, inputs, outputs, name="interpolate")
    ends = [stop, preview]
    made = context.bind(make.click, previewed, [*inputs, to_label], [*ends, *outputs], then=controls.say(ID), **shows)
    context.bind(made.then, over, [], ends, draws=False, show_progress="hidden")
    said = "() => window.stylegrow.say('Stopped.')"
    context.bind(stop.click, over, [], ends, draws=False, show_progress="hidden", cancels=[made], js=said)


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


def make_files(
    folder: Path, frames: Iterable[np.ndarray], count: int, size: int, fps: int, text: dict[str, str], also: str
) -> tuple[Path, str | None]:
    """Write `count` frames [H, W, C] as a video of `size` px, and the other file that is wished for; their paths.

    What the other file needs of the frames waits on disk, as PNGs: those are a video's largest part of memory.
    """
    kept = folder / "frames.zip"
    # PNGs do not become smaller.
    with nullcontext() if also == "nothing" else zipfile.ZipFile(kept, "w") as archive:

        def enlarged() -> Iterator[np.ndarray]:
            for index, frame in enumerate(frames):
                if archive is not None:
                    image = Path(save_image(frame, folder, f"frame{index:04d}", text))
                    archive.write(image, image.name)
                    image.unlink()
                yield resized(frame, size)

        made = write_video(folder, "interpolate", enlarged(), count, fps, text)
    if also not in ("webp", "gif"):
        return made, None if archive is None else str(kept)
    with zipfile.ZipFile(kept) as archive:
        again = (np.atleast_3d(np.asarray(Image.open(archive.open(name)))) for name in archive.namelist())
        other = write_video(
            folder, "interpolate", (resized(frame, size) for frame in again), count, fps, text, cast(VideoFormat, also)
        )
    kept.unlink()
    return made, str(other)


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
    context: Context, keys: int, frames: int, fps: int, loop: bool, ping_pong: bool, seconds: float | None
) -> str:
    """How long a video would be, and take at so many seconds a frame."""
    try:
        total = _frames(context, keys, frames, loop, ping_pong)
    except InputError as error:
        return controls.note(str(error))
    takes = "" if seconds is None else f"; making it takes about {max(seconds * total, 1):.0f} s"
    return f'<p class="hint">{total} frames, {total / fps:.1f} s{takes}.</p>'
