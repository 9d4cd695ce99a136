"""Your picture: the w that draws an image of the visitor's own, and what can be done with it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from app.web import checks
from app.web.context import Context
from app.web.pages import controls
from stylegrow.common.errors import InputError
from stylegrow.common.images import to_uint8
from stylegrow.data.decoding import read_square
from stylegrow.data.request import Shape
from stylegrow.models.info import ModelInfo
from stylegrow.rendering import figures
from stylegrow.rendering.grids import resized
from stylegrow.rendering.video import write_video
from stylegrow.sampling.inputs import STEPS
from stylegrow.sampling.latents import Latent, Source, write_latents
from stylegrow.sampling.paths import path_length

ID = "project"
SPACES = (("nearer to the picture (w+)", "w+"), ("more like the model's faces (w)", "w"))
FEWEST_STEPS, MOST_STEPS = 10, 500
MOST_PIXELS = 50_000_000  # of a picture
MOST_FACES = 6
SHOWN, SMALLEST = 256, 256  # px, of pictures on the page and of the video
FRAMES, FPS = 24, 24  # of a video, from each face to the next
NAME = "your picture"


@dataclass(frozen=True)
class Found:
    """What a session has projected: the latent, and the model that it is of."""

    model: str
    latent: Latent


def build(context: Context) -> None:
    """The tab."""
    with gr.Tab("Your picture", id=ID), controls.only_for(context, ID, "styled", "Projection needs"):
        with controls.row():
            with controls.column(2):
                upload = context.checked(
                    gr.File(
                        label="A picture, or a latent from here (.npz)",
                        file_types=["image", ".npz"],
                        type="filepath",
                        height=170,
                        elem_id="own-upload",
                    ),
                    checks.upload,
                )
                gr.HTML(
                    '<p class="hint">The middle square is used. The model draws it as nearly as it can: '
                    "what it has never seen comes out as its own kind of face.</p>"
                )
                label, _ = controls.label(context)
                with gr.Accordion("Advanced", open=False):
                    space = controls.choice(context, "What counts", SPACES, "Space")
                    steps = controls.slider(context, "Steps", FEWEST_STEPS, MOST_STEPS, STEPS)
                with gr.Row(elem_classes="buttons"):
                    start = gr.Button("Project", variant="primary", elem_id="project", scale=2, min_width=150)
                    cancel = gr.Button("Cancel", elem_id="project-cancel", min_width=90)
                way = gr.HTML(label="How far it is", elem_id="project-way")
            with controls.column(3, elem_id="own"):
                with gr.Row(equal_height=False):
                    look: dict[str, Any] = {"classes": "pixels large", "show_label": True, "min_width": 130}
                    original, result = (
                        controls.figure(title, name, buttons=["fullscreen"], alt_text=title, **look)
                        for title, name in (
                            ("Your picture", "own-original"),
                            ("As the model draws it", "own-projected"),
                        )
                    )
                drawn = controls.drawn(ID)
                with gr.Column(visible=False) as afterwards:
                    save = gr.DownloadButton("Download its latent (.npz)", elem_id="own-latent")
                    others = controls.seeds(
                        context, "3-5", MOST_FACES, label="Faces to mix it with, or to go to", info="seeds, at most 6"
                    )
                    with gr.Row(elem_classes="buttons"):
                        mix = gr.Button("Mix with these", elem_id="own-mix", min_width=130)
                        move = gr.Button("Video through them", elem_id="own-move", min_width=130)
                    mixes = controls.figure("Mixes", "own-mixes", visible=False)
                    shown: dict[str, Any] = {"label": "Video", "interactive": False, "buttons": ["download"]}
                    video = gr.Video(autoplay=True, loop=True, visible=False, elem_id="own-video", **shown)
                    moving = gr.Image(type="filepath", visible=False, **shown)
        found = gr.State(None)

    def project(
        picture: Path,
        space: str,
        steps: int,
        label: str | None,
        model: str,
    ) -> Iterator[Any]:
        """The latent w (.npz) of a picture, or of a .npz that was made here, and both pictures, while it is found.

        In the space "w+" every layer has a w of its own, in "w" all have the same.
        """
        drawing = controls.start_drawing(context, model, needs_styles="Projection", label=label, psi=1.0)
        sampler, setting = drawing.sampler, drawing.setting
        size = setting.resolution or sampler.generator.resolution
        large = max(size, SHOWN)

        def result_of(image: np.ndarray, name: str) -> str:
            return drawing.save(resized(image, large), name, space=space)

        if picture.suffix == ".npz":
            latent = sampler.read_latents(picture, "That latent")[0]
            yield (
                _told(1, 1),
                None,
                result_of(next(sampler.images([latent], setting)), "projected"),
                *done(drawing, latent),
            )
            return
        target = read_square(picture, Shape(size, sampler.generator.config.image_channels), "That picture", MOST_PIXELS)
        own = drawing.save(resized(target.transpose(1, 2, 0), large), "original")
        yield _told(0, steps), own, None, gr.skip(), gr.skip(), gr.skip()
        from stylegrow.metrics.features import projection_maps
        from stylegrow.sampling.projection import project as projected

        maps = projection_maps(sampler.generator.w_avg.device)
        for step in controls.spaced(projected(sampler, target, maps, setting, space, steps)):  # type: ignore[arg-type]
            if step.number < steps:
                image = result_of(to_uint8(step.image)[0], f"step{step.number:04d}")
                yield _told(step.number, steps), gr.skip(), image, gr.skip(), gr.skip(), gr.skip()
        latent = Latent(NAME, 0, "w", step.ws[0].float().cpu().numpy())
        yield _told(steps, steps), own, result_of(to_uint8(step.image)[0], "projected"), *done(drawing, latent)

    def done(drawing: controls.Drawing, latent: Latent) -> list[Any]:
        """The download, what the session keeps, and the report."""
        path = drawing.folder / "projected.npz"
        write_latents(path, {latent.kind: latent.values[None]})
        took = f"{time.perf_counter() - drawing.start:.2g}"
        said = controls.report(f"Found the latent of your picture in {took} s.")
        return [str(path), Found(drawing.card.name, latent), said]

    def start_with(found: Found | None, label: str | None, model: str, count: int) -> tuple[controls.Drawing, Latent]:
        drawing = controls.start_drawing(context, model, count, needs_styles="Projection", label=label)
        if found is None:
            raise InputError("Project a picture first.")
        if found.model != drawing.card.name:
            raise InputError(f'Your picture was projected to "{found.model}"; choose that model, or project it again.')
        return drawing, found.latent

    def mixed(found: Found | None, others: list[int], label: str | None, model: str) -> list[Any]:
        """The picture with coarse, middle and fine styles of other faces."""
        drawing, latent = start_with(found, label, model, len(others) + 1)
        bands = figures.bands(drawing.sampler.layers(drawing.setting))
        figure = figures.mixing_grid(drawing.sampler, [latent], others, bands, drawing.setting)
        path = drawing.save(figure.image, "mixes", rows=[latent], columns=others)
        alt = f"Your picture with coarse, middle and fine styles of the seeds {controls.listed(others)}"
        said = controls.report(f"Mixed your picture with {len(others)} faces.")
        return [gr.update(value=path, alt_text=alt, visible=True), said]

    def led(found: Found | None, others: list[int], label: str | None, model: str) -> list[Any]:
        """A video from the picture through other faces and back."""
        drawing, latent = start_with(found, label, model, len(others) + 1)
        sampler, setting = drawing.sampler, drawing.setting
        keys: list[Source] = [latent, *others]
        frames = max(min(FRAMES, context.limits.frames // len(keys)), 1)
        size = figures.cell_size(sampler, setting, max(setting.resolution or 0, SMALLEST), 1)
        path = (resized(frame, size) for frame in sampler.path(keys, frames, True, "w", setting))
        total = path_length(len(keys), frames, True)
        made = write_video(drawing.folder, "video", path, total, FPS, drawing.text(seeds=keys, frames=frames))
        said = controls.report(f"A video of {total} frames, from your picture to the others and back.")
        places = [gr.update(value=str(made), visible=True), gr.skip()]
        return [*(places if made.suffix == ".mp4" else places[::-1]), said]

    begun = context.bind(
        start.click,
        project,
        [upload, space, steps, label, context.model],
        [way, original, result, save, found, drawn],
        name="project",
        then=controls.say(ID),
        show_progress="hidden",
        trigger_mode="multiple",  # once cancelled, the page may take a job for one that still runs
    )
    controls.appear(begun, afterwards)
    # At last by the server: what was on its way to the page when the job was cancelled comes before.
    said = "() => window.stylegrow.say('Cancelled.')"
    shows: dict[str, Any] = {"draws": False, "show_progress": "hidden"}
    context.bind(cancel.click, lambda: "", [], [way], cancels=[begun], js=said, **shows)
    context.bind(begun.then, lambda: "", [], [way], **shows)
    inputs = [found, others, label, context.model]
    context.bind(mix.click, mixed, inputs, [mixes, drawn], then=controls.say(ID))
    context.bind(move.click, led, inputs, [video, moving, drawn], then=controls.say(ID))
    context.follow([mix], lambda card: [gr.update(visible=_mixable(card))])


def _mixable(card: ModelInfo | None) -> bool:
    return card is None or card.mixable


def _told(step: int, steps: int) -> str:
    """How far it is, as a bar and in words."""
    if not steps or step == steps:
        return ""
    return f'<p class="hint"><progress value="{step}" max="{steps}"></progress> step {step} of {steps}</p>'
