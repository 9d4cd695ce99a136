"""Generate: pictures of seeds, and one of them in detail."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import numpy as np

from app.web import checks
from app.web.context import Context
from app.web.files import new_folder, save_picture
from app.web.pages import controls
from stylegrow.common.errors import InputError
from stylegrow.common.text import counted
from stylegrow.models.info import ModelInfo
from stylegrow.rendering.grids import resized
from stylegrow.sampling.engine import Engine, Setting

ID = "generate"
OWN_SIZE = "own"
SIZES = (OWN_SIZE, "128", "256", "512", "1024")
FORMATS = ("png", "jpeg")
COUNT_ON_CPU, COUNT_ON_GPU = 4, 9
MOST_Z = 4.0  # beyond which there is next to nothing to truncate
MOST_SENT = 6  # faces in a row

# The seeds' text is what counts; these write it. In: the first seed and how many, out: the first seed and the text.
_SEEDS = "(first, count) => window.stylegrow.range(%s, count)"
_RANDOM, _PREVIOUS, _NEXT, _TYPED = (
    _SEEDS % place for place in ("Math.random() * 2 ** 32", "first - count", "first + count", "first")
)
_COPY = "(chosen) => window.stylegrow.copy(chosen.link)"


def build(context: Context) -> Callable[[], None]:
    """The tab; what it returns connects it with the others."""
    on_cpu = context.models.device() == "cpu"
    first_card = context.models.cards.get(context.models.first or "")
    count_default = COUNT_ON_CPU if on_cpu else COUNT_ON_GPU
    with gr.Tab("Generate", id=ID), gr.Row(equal_height=False, elem_classes="pictures-first"):
        with gr.Column(scale=2, min_width=280):
            seeds = context.checked(
                gr.Textbox(
                    f"0-{count_default - 1}",
                    label="Seeds",
                    info="each number is a picture: 4, or 0-8, or 1,5-9",
                    max_lines=1,
                    elem_id="seeds",
                ),
                checks.seeds,
            )
            first = gr.Number(0, label="First seed", precision=0)
            count = gr.Slider(1, context.limits.images, count_default, step=1, label="How many")
            with gr.Row(elem_classes="buttons"):
                draw = gr.Button("Generate", variant="primary", elem_id="generate", scale=2, min_width=120)
                random = gr.Button("Random", elem_id="random", scale=2, min_width=120)
                previous = gr.Button("‹ Previous", elem_id="previous", scale=1, min_width=100)
                following = gr.Button("Next ›", elem_id="next", scale=1, min_width=100)
            psi = controls.psi(context)
            label = controls.label(context)
            with gr.Column(visible=first_card is not None and not first_card.styled) as growing:
                z_limit = context.checked(
                    gr.Slider(
                        0.2, MOST_Z, MOST_Z, step=0.1, label="Truncation (z)",
                        info=f"how far from 0 the latent's values may be; {MOST_Z:g} = untruncated",
                    ),
                    checks.number(0.2, MOST_Z, "The limit of z"),
                )  # fmt: skip
                stage = context.checked(
                    gr.Slider(**(controls.stage_slider(None) | {"step": 1})),
                    checks.whole(1, controls.MOST_STAGES, "Stage"),
                )
                alpha = context.checked(
                    gr.Slider(0, 1, 1, step=0.05, label="Alpha", info=controls.ALPHA_INFO),
                    checks.number(0, 1, "Alpha"),
                )
            with gr.Accordion("Advanced", open=False):
                cutoff = context.checked(
                    gr.Slider(
                        0,
                        checks.MOST_LAYERS,
                        checks.MOST_LAYERS,
                        step=1,
                        label="Truncate the first layers",
                        info="the rest is drawn untruncated; the highest value truncates all",
                    ),
                    checks.whole(0, checks.MOST_LAYERS, "Cutoff"),
                )
                noise = context.checked(
                    gr.Radio(controls.NOISE_MODES, value="const", label="Noise", info="const: the model's own maps"),
                    checks.one_of(controls.NOISE_MODES, "Noise"),
                )
                noise_seed = context.checked(gr.Number(0, label="Noise seed"), checks.seed)
                size = context.checked(
                    gr.Dropdown(
                        [("the model's own", OWN_SIZE), *((f"{px} px", px) for px in SIZES[1:])],
                        value=OWN_SIZE,
                        label="Size of the files",
                    ),
                    checks.one_of(SIZES, "Size"),
                )
                form = context.checked(
                    gr.Radio([("PNG", "png"), ("JPEG", "jpeg")], value="png", label="Format of the files"),
                    checks.one_of(FORMATS, "Format"),
                )
        with gr.Column(scale=5, min_width=280):
            gallery = controls.gallery("Pictures", "pictures", 4, buttons=["download_all"])
            drawn = context.checked(controls.drawn(ID), _pictures)
            with gr.Row(visible=False, elem_id="detail", equal_height=False) as detail:
                picture = gr.Image(
                    label="Chosen picture",
                    format="png",
                    type="filepath",
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_classes="pixels large",
                    scale=3,
                    min_width=260,
                )
                with gr.Column(scale=2, min_width=240):
                    facts = gr.Markdown()
                    chosen = context.checked(gr.JSON(label="Chosen", visible="hidden"), _chosen)
                    save = gr.DownloadButton("Download the picture", elem_id="save", size="md")
                    save_latent = gr.DownloadButton("Download its latent (.npz)", size="md")
                    copy = gr.Button("Copy a link to it", size="md")
                    with gr.Row(elem_classes="send"):
                        to_rows = gr.Button("To mixing: face", size="md", min_width=100)
                        to_columns = gr.Button("To mixing: style", size="md", min_width=100)
                        to_film = gr.Button("To the film", size="md", min_width=100)
    # The fields of other tabs that a picture can be sent to, and the tabs.
    targets = {("rows", "a"): (to_rows, "mix"), ("cols", "b"): (to_columns, "mix"), ("keys",): (to_film, "film")}
    model_layers = [cutoff, noise, noise_seed]
    context.follow(
        model_layers,
        lambda card: [
            gr.update(
                visible=card is None or card.styled,
                maximum=card.layers if card and card.styled else checks.MOST_LAYERS,
                value=card.layers if card and card.styled else checks.MOST_LAYERS,
            ),
            gr.update(visible=card is None or card.noisy),
            gr.update(visible=card is None or card.noisy),
        ],
    )
    context.follow(
        [growing, stage, alpha],
        lambda card: [
            gr.update(visible=card is not None and not card.styled), gr.update(**controls.stage_slider(card)), 1,
        ],
    )  # fmt: skip
    context.follow([to_rows, to_columns], lambda card: [gr.update(visible=bool(card and card.mixable))] * 2)
    context.fields |= {
        "seeds": seeds, "psi": psi, "cutoff": cutoff, "noise": noise, "noise_seed": noise_seed, "class": label,
        "z": z_limit, "grown": stage, "fade": alpha,
    }  # fmt: skip

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
    ) -> tuple[list[tuple[str, str]], Any, dict[str, Any]]:
        """Pictures of seeds, as files that say how they were made, and the same as JSON.

        A PNG says it in its text chunks, a JPEG in its description. What the model lacks is ignored: truncation (psi,
        cutoff) and noise of a ProGAN, the limit of z of a StyleGAN. A `stage` beyond the last is the last.
        """
        start = time.perf_counter()
        made = Look(model, psi, cutoff, noise_mode, noise_seed, label, z_limit, stage, alpha, size, format)
        card, engine = controls.opened(context, model, len(seeds))
        setting = made.setting(engine, card)
        folder = new_folder(context.files)
        shown = []
        for seed, image in zip(seeds, engine.images(seeds, setting), strict=True):
            path = save_picture(made.sized(image), folder, f"seed{seed:04d}", engine.text(setting, seed=seed), format)
            shown.append((path, f"seed {seed}"))
        message = f"Generated {counted(len(seeds), 'image')} in {time.perf_counter() - start:.2g} s."
        pictures = [vars(made) | {"seed": seed} for seed in seeds]
        alts = [["#pictures img", made.alt(card, seed)] for seed in seeds]
        return shown, gr.update(visible=False), {"message": message, "alts": alts, "pictures": pictures}

    inputs = [seeds, psi, cutoff, noise, noise_seed, label, z_limit, stage, alpha, size, form, context.model]
    outputs = [gallery, detail, drawn]

    def choose(drawn: list[tuple[int, Look]], event: gr.EventData) -> list[Any]:
        seed, made = controls.picked(event, drawn, "That picture is not here any more; press Generate.")
        card, engine = controls.opened(context, made.model)
        setting = made.setting(engine, card)
        folder = new_folder(context.files)
        text = engine.text(setting, seed=seed)
        image = made.sized(next(engine.images([seed], setting)))
        path = save_picture(image, folder, f"seed{seed:04d}", text, made.format)
        latent = folder / f"seed{seed:04d}.npz"
        np.savez(latent, allow_pickle=False, **engine.latent(seed, setting))
        return [
            gr.update(visible=True),
            gr.update(value=path, alt_text=made.alt(card, seed)),
            made.facts(card, seed),
            {"seed": seed, "link": made.link(seed)},
            path,
            str(latent),
        ]

    say = {"fn": None, "js": controls.say(ID), "api_visibility": "private"}
    context.bind(
        [draw.click, seeds.submit, psi.release, z_limit.release, stage.input, alpha.input],
        generate,
        inputs,
        outputs,
        name="generate",
        trigger_mode="always_last",
    ).success(inputs=drawn, **say)
    for button, script in ((random, _RANDOM), (previous, _PREVIOUS), (following, _NEXT)):
        moved = button.click(None, [first, count], [first, seeds], js=script, api_visibility="private")
        context.bind(moved.then, generate, inputs, outputs).success(inputs=drawn, **say)
    for typed in (first.input, count.input):
        typed(None, [first, count], [first, seeds], js=_TYPED, api_visibility="private")
    context.bind(gallery.select, choose, [drawn], [detail, picture, facts, chosen, save, save_latent])
    copy.click(None, [chosen], js=_COPY, api_visibility="private")

    def finish() -> None:
        for (text, *single), (button, tab) in targets.items():
            fields = [context.fields[text], *(context.fields[one] for one in single)]
            work = partial(send, tab) if single else partial(send_one, tab)
            context.bind(button.click, work, [chosen, fields[0]], [context.tabs, *fields], draws=False)

    def send(tab: str, chosen: int, seeds: list[int]) -> list[Any]:
        """Add the picture to a row of faces and choose it there."""
        kept = [seed for seed in seeds if seed != chosen][1 - MOST_SENT :]
        return [gr.update(selected=tab), ",".join(map(str, [*kept, chosen])), chosen]

    def send_one(tab: str, chosen: int, seeds: list[int]) -> list[Any]:
        """Add the picture to a list."""
        return send(tab, chosen, seeds)[:2]

    def greet(*values: Any) -> Any:
        """Draw at once for whoever opens the page, where that takes no time."""
        if not context.quick(values[-1], len(values[0])):
            return [gr.skip()] * 3
        return generate(*values)

    context.show(ID, greet, inputs, outputs, controls.say(ID))
    return finish


@dataclass(frozen=True)
class Look:
    """What decides on a picture and its file beside the seed; as the page keeps it, and links name it."""

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

    def setting(self, engine: Engine, card: ModelInfo) -> Setting:
        """For the engine."""
        noise: Any = self.noise if card.noisy else "const"
        return controls.setting(
            engine,
            card,
            psi=self.psi,
            cutoff=self.cutoff,
            noise=noise,
            noise_seed=self.noise_seed,
            label=self.label,
            z_limit=self.z_limit if self.z_limit < MOST_Z else None,
            resolution=card.stages[self.stage - 1] if self.stage < len(card.stages) else None,
            alpha=self.alpha if self.stage < len(card.stages) or self.alpha < 1 else None,
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
        """What a picture shows, in words."""
        truncation = f", truncation {self.psi:g}" if card.styled else ""
        stage = self.stage_text(card)
        return f"Generated image, seed {seed}{truncation}, {stage and f'{stage}, '}model {card.name}"

    def link(self, seed: int) -> str:
        """The query of a link to this picture."""
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
        if card.labels and self.label is not None:
            names = {value: name for name, value in card.labels}
            lines.append(f"Class {escape(names.get(self.label, self.label))}")
        return "\n\n".join(lines)


CHECKS: dict[str, checks.Check] = {
    "psi": checks.psi,
    "cutoff": checks.whole(0, checks.MOST_LAYERS, "Cutoff"),
    "noise": checks.one_of(controls.NOISE_MODES, "Noise"),
    "noise_seed": checks.seed,
    "label": checks.label,
    "z_limit": checks.number(0.2, MOST_Z, "The limit of z"),
    "stage": checks.whole(1, controls.MOST_STAGES, "Stage"),
    "alpha": checks.number(0, 1, "Alpha"),
    "size": checks.one_of(SIZES, "Size"),
    "format": checks.one_of(FORMATS, "Format"),
}


def _pictures(value: Any) -> list[tuple[int, Look]]:
    """What `generate` said of its pictures, as a browser sends it back."""
    gone = "Those pictures are not here any more; press Generate."
    pictures = value.get("pictures") if isinstance(value, dict) else None
    if not isinstance(pictures, list) or len(pictures) > checks.MOST_SEEDS:
        raise InputError(gone)
    found = []
    for picture in pictures:
        if not isinstance(picture, dict) or not CHECKS.keys() | {"seed", "model"} <= picture.keys():
            raise InputError(gone)
        values = {name: check(picture[name]) for name, check in CHECKS.items()}
        found.append((checks.seed(picture["seed"]), Look(model=str(picture["model"]), **values)))
    return found


def _chosen(value: Any) -> int:
    if not isinstance(value, dict):
        raise InputError("Choose a picture first.")
    return checks.seed(value.get("seed"))
