"""Generate: images of seeds, and one of them in detail."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import numpy as np

from app.web import checks
from app.web.context import Context, run_script
from app.web.pages import controls
from stylegrow.common.errors import InputError
from stylegrow.models.info import ModelInfo
from stylegrow.rendering.grids import resized
from stylegrow.sampling.inputs import label_text, read_label

ID = "generate"
OWN_SIZE = "own"
SIZES = (("the model's own", OWN_SIZE), *((f"{size} px", str(size)) for size in (128, 256, 512, 1024)))
FORMATS = (("PNG", "png"), ("JPEG", "jpeg"))
COUNT_ON_CPU, COUNT_ON_GPU = 4, 9
MOST_Z = 4.0  # beyond which there is next to nothing to truncate
MOST_SENT = 6  # faces in a row
GONE = "That picture is not here any more; press Generate."

# The seeds' text is what counts; these write it. In: the first seed and how many, out: the first seed and the text.
_SEEDS = "(first, count) => window.stylegrow.range(%s, count)"
_RANDOM, _PREVIOUS, _NEXT, _TYPED = (
    _SEEDS % place for place in ("Math.random() * 2 ** 32", "first - count", "first + count", "first")
)
_COPY = "(chosen) => window.stylegrow.copy(chosen.link)"


def build(context: Context) -> Callable[[], None]:
    """The tab; what it returns connects it with the others."""
    first_count = COUNT_ON_CPU if context.models.device() == "cpu" else COUNT_ON_GPU
    with gr.Tab("Generate", id=ID), controls.row():
        with controls.column(2):
            seeds = context.checked(
                gr.Textbox(
                    f"0-{first_count - 1}",
                    label="Seeds",
                    info="each number is a picture: 4, or 0-8, or 1,5-9",
                    max_lines=1,
                    elem_id="seeds",
                ),
                checks.seeds,
            )
            first = gr.Number(0, label="First seed", precision=0)
            count = gr.Slider(1, context.limits.images, first_count, step=1, label="How many")
            with gr.Row(elem_classes="buttons"):
                draw = gr.Button("Generate", variant="primary", elem_id="generate", scale=2, min_width=120)
                random = gr.Button("Random", elem_id="random", scale=2, min_width=120)
                previous = gr.Button("‹ Previous", elem_id="previous", scale=1, min_width=100)
                following = gr.Button("Next ›", elem_id="next", scale=1, min_width=100)
            look = _look(context)
            psi, z_limit, stage, alpha = (look[name] for name in ("psi", "z", "grown", "fade"))
            with gr.Accordion("Advanced", open=False):
                look |= _advanced(context)
                size = controls.choice(context, "Size of the files", SIZES, "Size", gr.Dropdown)
                form = controls.choice(context, "Format of the files", FORMATS, "Format")
        with controls.column(5):
            gallery = controls.gallery("Pictures", "pictures", 4, buttons=["download_all"])
            drawn, shown_looks = controls.drawn(ID), gr.State([])
            with gr.Row(visible=False, elem_id="detail", equal_height=False) as detail:
                image = controls.figure(
                    "Chosen picture", classes="pixels large", buttons=["fullscreen"], show_label=None, scale=3,
                    min_width=260,
                )  # fmt: skip
                with gr.Column(scale=2, min_width=240):
                    facts = gr.Markdown()
                    chosen = context.checked(gr.JSON(label="Chosen", visible="hidden"), _chosen_seed)
                    save = gr.DownloadButton("Download the picture", elem_id="save", size="md")
                    save_latent = gr.DownloadButton("Download its latent (.npz)", size="md")
                    copy = gr.Button("Copy a link to it", size="md")
                    with gr.Row(elem_classes="send"):
                        to_rows, to_columns, to_video = (
                            gr.Button(text, size="md", min_width=100)
                            for text in ("To mixing: face", "To mixing: style", "To the video")
                        )
    # The fields of other tabs that an image can be sent to, and the tabs.
    targets = {("rows", "a"): (to_rows, "mix"), ("cols", "b"): (to_columns, "mix"), ("keys",): (to_video, "video")}
    context.follow([to_rows, to_columns], lambda card: [gr.update(visible=bool(card and card.mixable))] * 2)
    context.fields |= {"seeds": seeds} | look

    def generate(
        seeds: list[int],
        psi: float,
        cutoff: int,
        noise_mode: str,
        noise_seed: int,
        label: str | None,
        z_limit: float,
        stage: int,
        alpha: float,
        size: str,
        format: str,
        model: str,
    ) -> tuple[list[tuple[str, str]], Any, list[Any], dict[str, Any]]:
        """Pictures of seeds, as files that say how they were made, and the same as JSON.

        A PNG says it in its text chunks, a JPEG in its description. What the model does not have is ignored: truncation
        (psi, cutoff) and noise of a ProGAN, the limit of z of a StyleGAN. A `stage` beyond the last is the last.
        """
        look = Look(model, psi, cutoff, noise_mode, noise_seed, label, z_limit, stage, alpha, size, format)
        drawing = look.start(context, len(seeds))
        shown = []
        for seed, pixels in zip(seeds, drawing.sampler.images(seeds, drawing.setting), strict=True):
            path = drawing.save(look.sized(pixels), f"seed{seed:04d}", format, seed=seed)
            shown.append((path, f"seed {seed}"))
        alts = [look.alt(drawing.card, seed) for seed in seeds]
        said = controls.report(f"Generated {drawing.took(len(seeds))}.", "#pictures img", alts)
        pictures = [vars(look) | {"seed": seed} for seed in seeds]
        return shown, gr.update(visible=False), [(seed, look) for seed in seeds], said | {"pictures": pictures}

    def choose(looks: list[tuple[int, Look]], event: gr.EventData) -> list[Any]:
        seed, look = controls.picked(event, looks, GONE)
        drawing = look.start(context)
        path = drawing.save(look.sized(drawing.image(seed)), f"seed{seed:04d}", look.format, seed=seed)
        latent = drawing.folder / f"seed{seed:04d}.npz"
        np.savez(latent, allow_pickle=False, **drawing.sampler.latent(seed, drawing.setting))
        return [
            gr.update(visible=True),
            gr.update(value=path, alt_text=look.alt(drawing.card, seed)),
            look.facts(drawing.card, seed),
            {"seed": seed, "link": look.link(seed)},
            path,
            str(latent),
        ]

    def finish() -> None:
        for (text, *single), (button, tab) in targets.items():
            fields = [context.fields[text], *(context.fields[one] for one in single)]
            work = partial(send, tab) if single else partial(send_one, tab)
            context.bind(button.click, work, [chosen, fields[0]], [context.tabs, *fields], draws=False)

    def send(tab: str, chosen: int, seeds: list[int]) -> list[Any]:
        """Add the image to a row of faces and choose it there."""
        kept = [seed for seed in seeds if seed != chosen][1 - MOST_SENT :]
        return [gr.update(selected=tab), ",".join(map(str, [*kept, chosen])), chosen]

    def send_one(tab: str, chosen: int, seeds: list[int]) -> list[Any]:
        """Add the image to a list."""
        return send(tab, chosen, seeds)[:2]

    def greet(*values: Any) -> Any:
        """Draw at once for whoever opens the page, where that takes no time."""
        return generate(*values) if context.quick(values[-1], len(values[0])) else [gr.skip()] * len(outputs)

    order = ("psi", "cutoff", "noise", "noise_seed", "class", "z", "grown", "fade")
    inputs = [seeds, *(look[name] for name in order), size, form, context.model]
    outputs, then = [gallery, detail, shown_looks, drawn], controls.say(ID)
    triggers = [draw.click, seeds.submit, psi.release, z_limit.release, stage.input, alpha.input]
    context.bind(triggers, generate, inputs, outputs, name="generate", then=then, trigger_mode="always_last")
    for button, script in ((random, _RANDOM), (previous, _PREVIOUS), (following, _NEXT)):
        moved = run_script(button.click, script, [first, count], [first, seeds])
        context.bind(moved.then, generate, inputs, outputs, then=then)
    for typed in (first.input, count.input):
        run_script(typed, _TYPED, [first, count], [first, seeds])
    context.bind(gallery.select, choose, [shown_looks], [detail, image, facts, chosen, save, save_latent])
    run_script(copy.click, _COPY, [chosen])
    context.show(ID, greet, inputs, outputs, then)
    return finish


def _look(context: Context) -> dict[str, Any]:
    """The controls of how images are drawn, under the names that links give them."""
    found = {"psi": controls.psi(context), "class": controls.label(context)[0]}
    with gr.Column(visible=context.first is not None and not context.first.styled) as growing:
        info = f"how far from 0 the latent's values may be; {MOST_Z:g} = untruncated"
        found["z"] = controls.slider(
            context, "Truncation (z)", 0.2, MOST_Z, MOST_Z, 0.1, name="The limit of z", info=info
        )
        found |= {"grown": controls.stage(context, None), "fade": controls.alpha(context, 1)}

    def update(card: ModelInfo | None) -> list[Any]:
        visible = card is not None and not card.styled
        return [gr.update(visible=visible), gr.update(**controls.stage_range(card)), 1]

    context.follow([growing, found["grown"], found["fade"]], update)
    return found


def _advanced(context: Context) -> dict[str, Any]:
    """Those that few need."""
    most = checks.MOST_LAYERS
    info = "the rest is drawn untruncated; the highest value truncates all"
    cutoff = controls.slider(context, "Truncate the first layers", 0, most, most, name="Cutoff", info=info)
    noise = controls.choice(context, "Noise", controls.NOISE_MODES, info="const: the model's own maps")
    noise_seed = controls.seed(context, "Noise seed")

    def update(card: ModelInfo | None) -> list[Any]:
        layers = card.layers if card and card.styled else most
        noisy = gr.update(visible=card is None or card.noisy)
        return [gr.update(visible=card is None or card.styled, maximum=layers, value=layers), noisy, noisy]

    context.follow([cutoff, noise, noise_seed], update)
    return {"cutoff": cutoff, "noise": noise, "noise_seed": noise_seed}


@dataclass(frozen=True)
class Look:
    """What decides on an image and its file beside the seed."""

    model: str
    psi: float
    cutoff: int
    noise: str
    noise_seed: int
    label: str | None
    z_limit: float
    stage: int
    alpha: float
    size: str
    format: str

    def start(self, context: Context, images: int = 1) -> controls.Drawing:
        """The model, ready to draw so."""
        card = context.models.card(self.model)
        grown = self.stage >= len(card.stages)
        return controls.start_drawing(
            context,
            self.model,
            images,
            psi=self.psi,
            cutoff=self.cutoff,
            noise=self.noise if card.noisy else "const",
            noise_seed=self.noise_seed,
            label=self.label,
            z_limit=self.z_limit if self.z_limit < MOST_Z else None,
            resolution=None if grown else card.stages[self.stage - 1],
            alpha=None if grown and self.alpha == 1 else self.alpha,
        )

    def stage_text(self, card: ModelInfo) -> str:
        """Which stage it is, if it is not all of the network."""
        stage = min(self.stage, len(card.stages))
        if stage == len(card.stages) and self.alpha == 1:
            return ""
        return f"stage {card.stages[stage - 1]} px" + (f", alpha {self.alpha:g}" if self.alpha < 1 else "")

    def sized(self, image: np.ndarray) -> np.ndarray:
        """An image as large as its file."""
        return image if self.size == OWN_SIZE else resized(image, int(self.size))

    def alt(self, card: ModelInfo, seed: int) -> str:
        """What an image shows, in words."""
        truncation = f", truncation {self.psi:g}" if card.styled else ""
        stage = self.stage_text(card)
        return f"Generated image, seed {seed}{truncation}, {stage and f'{stage}, '}model {card.name}"

    def link(self, seed: int) -> str:
        """The query of a link to this image."""
        query = {"tab": ID, "model": self.model, "seeds": seed, "psi": self.psi, "cutoff": self.cutoff}
        query |= {"noise": self.noise, "noise_seed": self.noise_seed}
        query |= {"z": self.z_limit, "grown": self.stage, "fade": self.alpha}
        return "?" + urlencode(query | ({"class": self.label} if self.label is not None else {}))

    def facts(self, card: ModelInfo, seed: int) -> str:
        """In Markdown."""
        lines = [f"### Seed {seed}"]
        if card.styled:
            lines.append(f"Truncation {self.psi:g}")
            if self.cutoff < card.layers:
                lines.append(f"in the first {self.cutoff} of {card.layers} layers")
            if self.noise != "const" and card.noisy:
                lines.append("No noise" if self.noise == "none" else f"Noise seed {self.noise_seed}")
        elif self.z_limit < MOST_Z:
            lines.append(f"Latent within {self.z_limit:g} of 0")
        if stage := self.stage_text(card):
            lines.append(stage.capitalize())
        if card.label_space.kind == "vector":
            label = read_label(self.label, card.label_space) if self.label else card.label_space.drawn(seed)
            lines.append(f"Label {escape(str(label_text(label, card.label_space)))}")
        elif card.labels and self.label is not None:
            names = {value: name for name, value in card.labels}
            lines.append(f"Class {escape(names.get(self.label, self.label))}")
        return "\n\n".join(lines)


def _chosen_seed(value: Any) -> int:
    if not isinstance(value, dict):
        raise InputError("Choose a picture first.")
    return checks.seed(value.get("seed"))
