"""Generate: images of seeds, and one of them in detail."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import numpy as np
from PIL import Image

from app.web import checks
from app.web.context import Context, run_script
from app.web.live import Placed, data_url
from app.web.pages import controls
from stylegrow.common.errors import InputError
from stylegrow.models.info import ModelInfo
from stylegrow.models.labels import default_psi
from stylegrow.rendering.grids import resized
from stylegrow.sampling.inputs import label_text, read_label

ID = "generate"
OWN_SIZE = "own"
SIZES = (("the model's own", OWN_SIZE), *((f"{size} px", str(size)) for size in (128, 256, 512, 1024)))
FORMATS = (("PNG", "png"), ("JPEG", "jpeg"))
COUNT_ON_CPU, COUNT_ON_GPU = 4, 9
MOST_Z = 4.0  # beyond which there is next to nothing to truncate
MOST_SENT = 6  # faces in a row
SMOOTH = 0.08  # seconds in which all pictures can be drawn while a slider moves, not only the large one
THUMBNAIL = 96  # px
GONE = "That picture is not here any more; press Generate."

# The seeds' text is what counts; buttons and the slider change it. In and out: the text and how many there are.
_RANDOM, _PREVIOUS, _NEXT, _COUNTED = (
    f"(text, count) => window.stylegrow.seeds.{name}(text, count)" for name in ("random", "previous", "next", "counted")
)
_COUNT = "(text, count) => window.stylegrow.seeds.list(text)?.length ?? count"
_COPY = "(link) => window.stylegrow.copy(link)"
_PIXELS = '(shown) => { document.body.classList.toggle("show-pixels", shown); }'
# What was shown, and the favourites; the page's script fills both.
PAST = """
<div class="strips">
  <section aria-labelledby="past-title">
    <div class="strip-head"><h2 id="past-title">History</h2>
      <button id="undo" class="tool" onclick="stylegrow.past.step(-1)" disabled>↶ Undo</button>
      <button id="redo" class="tool" onclick="stylegrow.past.step(1)" disabled>↷ Redo</button></div>
    <div id="past" class="strip"></div>
  </section>
  <section aria-labelledby="favourites-title">
    <div class="strip-head"><h2 id="favourites-title">Favourites</h2>
      <button id="favourite" class="tool" onclick="stylegrow.past.favour()">☆ Keep this</button></div>
    <div id="favourites" class="strip"></div>
  </section>
</div>
"""


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
            count = gr.Slider(1, context.limits.images, first_count, step=1, label="How many", elem_id="count")
            draw = gr.Button("Generate", elem_id="generate")
            look, labelled, resets = _look(context)
            with gr.Accordion("Advanced", open=False):
                advanced, more = _advanced(context)
                look, resets = look | advanced, resets + more
                size = controls.choice(context, "Size of the files", SIZES, "Size", gr.Dropdown)
                form = controls.choice(context, "Format of the files", FORMATS, "Format")
        with controls.column(5):
            with gr.Row(elem_classes="buttons moves"):
                random = gr.Button("Random", variant="primary", elem_id="random", scale=3, min_width=120)
                previous = gr.Button("‹ Previous", elem_id="previous", scale=2, min_width=90)
                following = gr.Button("Next ›", elem_id="next", scale=2, min_width=90)
            with gr.Row(elem_id="detail", equal_height=False):
                image = controls.figure("Chosen picture", classes="pixels large", buttons=["fullscreen"], min_width=270)
                with gr.Column(min_width=220, elem_id="beside"):
                    gallery = controls.gallery("Pictures", "pictures", 1, buttons=["download_all"], show_label=True)
                    facts = gr.Markdown(elem_id="facts")
                    with gr.Row(elem_classes="send"):
                        save = gr.DownloadButton("Download", elem_id="save", size="md", min_width=100)
                        copy = gr.Button("Copy a link", size="md", min_width=100)
                        to_rows, to_columns, to_video = (
                            gr.Button(text, size="md", min_width=100)
                            for text in ("To mixing: face", "To mixing: style", "To the video")
                        )
                        save_latent = gr.DownloadButton("Latent (.npz)", size="md", min_width=100)
                    pixels = gr.Checkbox(label="Show pixels as squares", elem_id="show-pixels", container=False)
            gr.HTML(PAST, elem_classes="unpadded")
            drawn, shown_looks = controls.drawn(ID), gr.State([])
            chosen = context.checked(gr.Number(None, label="Chosen", visible="hidden"), checks.seed_or_none)
            link = gr.Textbox(label="Link", visible="hidden")
            asked = gr.Button("Generate", visible=False)  # by programs
    # The fields of other tabs that an image can be sent to, and the tabs.
    targets = {("rows", "a"): (to_rows, "mix"), ("cols", "b"): (to_columns, "mix"), ("keys",): (to_video, "video")}
    context.follow([to_rows, to_columns], lambda card: [gr.update(visible=bool(card and card.mixable))] * 2)
    context.fields[ID] = {"seeds": seeds, "chosen": chosen} | look

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
    ) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        """Pictures of seeds, as files that say how they were made, and the same as JSON.

        A PNG says it in its text chunks, a JPEG in its description. What the model does not have is ignored: truncation
        (psi, cutoff) and noise of a ProGAN, the limit of z of a StyleGAN. A `stage` beyond the last is the last;
        those before training began are refused.
        """
        look = Look(model, psi, cutoff, noise_mode, noise_seed, label, z_limit, stage, alpha, size, format)
        drawing = look.start(context, len(seeds))
        shown = []
        for seed, pixels in zip(seeds, drawing.sampler.images(seeds, drawing.setting), strict=True):
            path = drawing.save(look.sized(pixels), f"seed{seed:04d}", format, seed=seed)
            shown.append((path, f"seed {seed}"))
        alts = [look.alt(drawing.card, seed) for seed in seeds]
        said = controls.report(f"Generated {drawing.took(len(seeds))}.", "#pictures img", alts)
        return shown, said | {"pictures": [vars(look) | {"seed": seed} for seed in seeds]}

    def show(chosen: int | None, seeds: list[int], *rest: Any) -> list[Any]:
        """The pictures, and large the chosen one, or else the first; the report tells the state that this is."""
        look = Look(rest[-1], *rest[:-1])
        at = seeds.index(chosen) if chosen in seeds else 0
        shown, said = generate(seeds, *rest)
        large = enlarge(seeds[at], look, shown[at][0])
        said["alts"].append(["#detail .large img", look.alt(context.models.card(look.model), seeds[at])])
        said["state"] = state(seeds, seeds[at], look, shown[at][0])
        return [gr.update(value=shown, selected_index=at), [(seed, look) for seed in seeds], *large, said]

    def show_again(here: str, *values: Any) -> list[Any]:
        """What the page has gone back to, which is no new state."""
        if here != ID:
            return [gr.skip()] * len(outputs)
        *drawn, said = show(*values)
        return [*drawn, said | {"again": True}]

    def state(seeds: list[int], chosen: int, look: Look, path: str) -> dict[str, str]:
        """What the page keeps of a state, to go back to: the query that restores it, a small image, and words."""
        with Image.open(path) as image:
            small = image.convert("RGB").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
        query = look.link(controls.listed(seeds), chosen=chosen)
        alt = look.alt(context.models.card(look.model), chosen)
        return {"query": query, "image": data_url(np.asarray(small)), "alt": alt}

    def enlarge(seed: int, look: Look, path: str | None = None) -> list[Any]:
        """A picture in detail; it is drawn, unless it lies at a path."""
        drawing = look.start(context)
        if path is None:
            path = drawing.save(look.sized(drawing.image(seed)), f"seed{seed:04d}", look.format, seed=seed)
        latent = drawing.folder / f"seed{seed:04d}.npz"
        np.savez(latent, allow_pickle=False, **drawing.sampler.latent(seed, drawing.setting))
        image = gr.update(value=path, alt_text=look.alt(drawing.card, seed))
        return [image, look.facts(drawing.card, seed), seed, look.link(str(seed)), path, str(latent)]

    def choose(looks: list[tuple[int, Look]], event: gr.EventData) -> list[Any]:
        seed, look = controls.picked(event, looks, GONE)
        large, seeds = enlarge(seed, look), [seed for seed, _ in looks]
        said = controls.report(f"Seed {seed}.") | {"state": state(seeds, seed, look, large[-2])}
        return [*large, said]

    def move(chosen: int | None, seeds: list[int], *rest: Any) -> Iterator[Placed]:
        """The large picture, and where that takes no time the others."""
        chosen = seeds[0] if chosen is None else chosen
        look = Look(rest[-1], *rest[:-1])
        drawing = look.start(context)
        smooth = (context.models.seconds(look.model) or 1) * len(seeds) < SMOOTH
        several = seeds if smooth and chosen in seeds else [chosen]
        for at, (seed, image) in enumerate(zip(several, drawing.sampler.images(several, drawing.setting), strict=True)):
            if seed == chosen:
                yield "#detail .large img", 0, image
            if several is seeds:
                yield "#pictures img", at, image

    def finish() -> None:
        carried = {"psi": look["psi"], "noise": look["noise"], "noise_seed": look["noise_seed"], "class": look["class"]}
        for (text, *single), (button, tab) in targets.items():
            there = context.fields[tab]
            names = [name for name in carried if name in there]
            fields = [there[text], *(there[one] for one in single), *(there[name] for name in names)]
            work = partial(send, tab) if single else partial(send_one, tab)
            sent = [chosen, there[text], *(carried[name] for name in names)]
            context.bind(button.click, work, sent, [context.tabs, *fields], draws=False)
        again = [context.here, *inputs]
        context.bind(context.restored.success, show_again, again, outputs, then=then, trigger_mode="always_last")

    def send(tab: str, chosen: int | None, seeds: list[int], *look: Any) -> list[Any]:
        """Add the image to a row of faces and choose it there; how it is drawn goes with it."""
        if chosen is None:
            raise InputError("Choose a picture first.")
        kept = [seed for seed in seeds if seed != chosen][1 - MOST_SENT :]
        return [gr.update(selected=tab), ",".join(map(str, [*kept, chosen])), chosen, *look]

    def send_one(tab: str, chosen: int | None, seeds: list[int], *look: Any) -> list[Any]:
        """Add the image to a list."""
        selected, text, _, *carried = send(tab, chosen, seeds, *look)
        return [selected, text, *carried]

    def greet(there: list[tuple[int, Look]], chosen: int | None, seeds: list[int], *rest: Any) -> list[Any]:
        """Draw at once for whoever opens the tab what is not there already: as much of it as takes no time."""
        look = Look(rest[-1], *rest[:-1])
        if there == [(seed, look) for seed in seeds]:
            return [gr.skip()] * len(outputs)
        if context.quick(look.model, len(seeds)):
            return show(chosen, seeds, *rest)
        if context.quick(look.model, 1):
            one = chosen if chosen in seeds else seeds[0]
            if there == [(one, look)]:
                return [gr.skip()] * len(outputs)
            *shown, said = show(one, [one], *rest)
            return [*shown, controls.slow("draw all of the seeds, press Generate", said["alts"])]
        other = bool(there) and there[0][1].model != look.model  # whose pictures go, with what was told of them
        left = [[], [], None, "", gr.skip(), "", None, None] if other else [gr.skip()] * 8
        return [*left, controls.slow("draw, press Generate")]

    order = ("psi", "cutoff", "noise", "noise_seed", "class", "z", "grown", "fade")
    given = [seeds, *(look[name] for name in order), size, form, context.model]
    inputs, then = [chosen, *given], controls.say(ID)
    large = [image, facts, chosen, link, save, save_latent]
    outputs = [gallery, shown_looks, *large, drawn]
    context.bind(asked.click, generate, given, [gallery, drawn], name="generate")
    context.bind([draw.click, seeds.submit, size.input, form.input], show, inputs, outputs, then=then)
    for event in resets:
        context.bind(event, show, inputs, outputs, then=then, trigger_mode="always_last")
    changed = ((random.click, _RANDOM), (previous.click, _PREVIOUS), (following.click, _NEXT), (count.input, _COUNTED))
    for event, script in changed:
        moved = run_script(event, script, [seeds, count], [seeds])
        context.bind(moved.then, show, inputs, outputs, then=then, trigger_mode="always_last")
    run_script(seeds.change, _COUNT, [seeds, count], [count])
    moving = [look[name].input for name in order if name != "class"] + labelled
    context.move(ID, moving, move, inputs, show, inputs, outputs, then)
    context.bind(gallery.select, choose, [shown_looks], [*large, drawn], then=then)
    run_script(copy.click, _COPY, [link])
    run_script(pixels.input, _PIXELS, [pixels])
    context.show(ID, greet, [shown_looks, *inputs], outputs, then)
    return finish


def _look(context: Context) -> tuple[dict[str, Any], list[Any], list[Any]]:
    """The controls of how images are drawn, under the names that links give them.

    And the events of the label's, and those of a way back to the defaults.
    """
    found: dict[str, Any] = {"psi": controls.psi(context)}
    again = gr.Button("Reset the class", render=False)
    found["class"], labelled = controls.label(context, buttons=[again])
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
    resets = [
        controls.reset(context, [found["psi"]], lambda card: default_psi(card.label_space.kind)),
        controls.reset(context, [found["class"]], lambda card: card.labels[0][1] if card.labels else None, again),
        controls.reset(context, [found["z"]], lambda card: MOST_Z),
        controls.reset(context, [found["grown"]], lambda card: len(card.stages)),
        controls.reset(context, [found["fade"]], lambda card: 1),
    ]
    return found, labelled, resets


def _advanced(context: Context) -> tuple[dict[str, Any], list[Any]]:
    """Those that few need, and the events of a way back to their defaults."""
    most = checks.MOST_LAYERS
    info = "the rest is drawn untruncated; the highest value truncates all"
    cutoff = controls.slider(context, "Truncate the first layers", 0, most, most, name="Cutoff", info=info)
    again = gr.Button("Reset the noise", render=False)
    info = "const: the model's own maps"
    noise = controls.choice(context, "Noise", controls.NOISE_MODES, info=info, buttons=[again])
    noise_seed = controls.seed(context, "Noise seed")

    def update(card: ModelInfo | None) -> list[Any]:
        layers = card.layers if card and card.styled else most
        noisy = gr.update(visible=card is None or card.noisy)
        return [gr.update(visible=card is None or card.styled, maximum=layers, value=layers), noisy, noisy]

    context.follow([cutoff, noise, noise_seed], update)
    resets = [
        controls.reset(context, [cutoff], lambda card: card.layers),
        controls.reset(context, [noise, noise_seed], lambda card: [controls.NOISE_MODES[0], 0], again),
    ]
    return {"cutoff": cutoff, "noise": noise, "noise_seed": noise_seed}, resets


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
            resolution=None if grown else controls.stage_size(card, self.stage),
            alpha=None if grown and self.alpha == 1 else self.alpha,
        )

    def stage_text(self, card: ModelInfo) -> str:
        """Which stage it is, if it is not all of the network."""
        size = card.stages[min(self.stage, len(card.stages)) - 1]
        faded = self.alpha < 1 and size > card.first_stage
        if size == card.resolution and not faded:
            return ""
        return f"stage {size} px" + (f", alpha {self.alpha:g}" if faded else "")

    def sized(self, image: np.ndarray) -> np.ndarray:
        """An image as large as its file."""
        return image if self.size == OWN_SIZE else resized(image, int(self.size))

    def alt(self, card: ModelInfo, seed: int) -> str:
        """What an image shows, in words."""
        truncation = f", truncation {self.psi:g}" if card.styled else ""
        stage = self.stage_text(card)
        return f"Generated image, seed {seed}{truncation}, {stage and f'{stage}, '}model {card.name}"

    def link(self, seeds: str, **more: Any) -> str:
        """The query of a link to these images."""
        query = {"tab": ID, "model": self.model, "seeds": seeds} | more | {"psi": self.psi, "cutoff": self.cutoff}
        query |= {"noise": self.noise, "noise_seed": self.noise_seed}
        query |= {"z": self.z_limit, "grown": self.stage, "fade": self.alpha}
        return "?" + urlencode(query | ({"class": self.label} if self.label is not None else {}))

    def facts(self, card: ModelInfo, seed: int) -> str:
        """In Markdown."""
        lines = [f"## Seed {seed}"]
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
