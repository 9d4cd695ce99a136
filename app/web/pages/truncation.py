"""Truncation and noise: the same faces nearer to the average and further off, and what the noise changes."""

import time
from typing import Any

import gradio as gr

from app.web import checks
from app.web.context import Context
from app.web.files import new_folder, save_picture
from app.web.pages import controls
from stylegrow.common.errors import InputError
from stylegrow.models.info import ModelInfo
from stylegrow.rendering import figures
from stylegrow.sampling.engine import Engine, Setting

ID = "truncation"
MOST_SEEDS, MOST_NOISY = 8, 4
PSIS = "1,.7,.5,0,-.5,-1"
LEAST_DRAWS, MOST_DRAWS = 2, 100


def build(context: Context) -> None:
    """The tab."""
    first = context.models.cards.get(context.models.first or "")
    with gr.Tab("Truncation and noise", id=ID):
        lacking = gr.HTML(_lacking(first), elem_classes="lacking")
        with gr.Column(visible=first is None or first.styled) as able:
            with gr.Row(equal_height=False, elem_classes="pictures-first"):
                with gr.Column(scale=2, min_width=280):
                    seeds = context.checked(
                        gr.Textbox("0-3", label="Seeds", info=f"at most {MOST_SEEDS}", max_lines=1),
                        checks.several_seeds(1, MOST_SEEDS),
                    )
                    psis = context.checked(
                        gr.Textbox(PSIS, label="Truncations", info="0 is the average face", max_lines=1), checks.psis
                    )
                    label = controls.label(context)
                    strip = gr.Button("Draw the strip", variant="primary")
                with gr.Column(scale=5, min_width=280):
                    truncated = controls.figure("Truncation strip", "truncated")
                    drawn = controls.drawn(ID)
            gr.Markdown("### Noise\nWhat is left to chance: the noise added after each convolution, at every size.")
            with gr.Row(equal_height=False, elem_classes="pictures-first"):
                with gr.Column(scale=2, min_width=280):
                    noisy = context.checked(
                        gr.Textbox("0", label="Seeds", info=f"at most {MOST_NOISY}", max_lines=1),
                        checks.several_seeds(1, MOST_NOISY),
                    )
                    psi = controls.psi(context)
                    draws = context.checked(
                        gr.Slider(LEAST_DRAWS, MOST_DRAWS, 20, step=1, label="Draws of noise"),
                        checks.whole(LEAST_DRAWS, MOST_DRAWS, "Draws"),
                    )
                    detail = gr.Button("What several draws change", variant="primary")
                    parts = gr.Button("Which layers' noise does what")
                with gr.Column(scale=5, min_width=280):
                    changed = controls.figure("Noise", "changed")
                    drawn_noise = controls.drawn("noise")
    context.follow(
        [lacking, able, truncated, changed],
        lambda card: [_lacking(card), gr.update(visible=card is None or card.styled), None, None],
    )

    def opened(model: str, what: str, psi: float, label: str | None) -> tuple[ModelInfo, Engine, Setting]:
        card, engine = controls.opened(context, model)
        controls.needs_styles(card, what)
        return card, engine, controls.setting(engine, card, psi=psi, label=label)

    def truncation_strip(
        seeds: list[int], psis: list[float], label: str | None, model: str
    ) -> tuple[str, dict[str, Any]]:
        """A figure of the same seeds at several truncations: a row a seed, a column a psi."""
        start = time.perf_counter()
        card, engine, setting = opened(model, "Truncation", psis[0], label)
        if len(seeds) * len(psis) > context.limits.images:
            raise InputError(f"These are {len(seeds) * len(psis)} pictures; the limit is {context.limits.images}.")
        figure = figures.truncation_strip(engine, seeds, psis, setting)
        text = engine.text(setting, seeds=seeds, psi=psis)
        path = save_picture(figure.image, new_folder(context.files), "truncation", text)
        alt = f"Generated images of seeds {_listed(seeds)} at truncations {_listed(psis)}, model {card.name}"
        said = controls.draw_text(len(seeds) * len(psis), "image", start)
        return path, controls.report(f"Drew {said}.", alts=[["#truncated img", alt]])

    def noise_detail(
        seeds: list[int], draws: int, psi: float, label: str | None, model: str
    ) -> tuple[str, dict[str, Any]]:
        """A figure of what noise changes: a picture, its liveliest part in several draws, the deviation of all."""
        start = time.perf_counter()
        card, engine, setting = opened(model, "Noise", psi, label)
        figure = figures.noise_detail(engine, seeds, draws, setting)
        text = engine.text(setting, seeds=seeds, draws=draws)
        path = save_picture(figure.image, new_folder(context.files), "noise", text)
        alt = f"What noise changes in seeds {_listed(seeds)}, model {card.name}"
        said = controls.draw_text(len(seeds) * draws, "image", start)
        return path, controls.report(f"Drew {said}.", alts=[["#changed img", alt]])

    def noise_parts(seeds: list[int], psi: float, label: str | None, model: str) -> tuple[str, dict[str, Any]]:
        """A figure of the same seeds with noise in all layers, in none, in the coarse ones and in the fine ones."""
        start = time.perf_counter()
        card, engine, setting = opened(model, "Noise", psi, label)
        figure = figures.noise_parts(engine, seeds, setting)
        path = save_picture(figure.image, new_folder(context.files), "noise-parts", engine.text(setting, seeds=seeds))
        alt = f"Seeds {_listed(seeds)} with noise in all, no, coarse and fine layers, model {card.name}"
        said = controls.draw_text(len(seeds) * 4, "image", start)
        return path, controls.report(f"Drew {said}.", alts=[["#changed img", alt]])

    def show(seeds: list[int], psis: list[float], label: str | None, model: str) -> tuple[Any, Any]:
        """For whoever opens the tab."""
        if not context.models.card(model).styled or not context.quick(model, len(seeds) * len(psis)):
            return gr.skip(), gr.skip()
        return truncation_strip(seeds, psis, label, model)

    say: dict[str, Any] = {"fn": None, "js": controls.say(ID), "api_visibility": "private"}
    strip_inputs = [seeds, psis, label, context.model]
    context.bind(
        [strip.click, seeds.submit, psis.submit], truncation_strip, strip_inputs, [truncated, drawn],
        name="truncation_strip",
    ).success(inputs=drawn, **say)  # fmt: skip
    context.show(ID, show, strip_inputs, [truncated, drawn], controls.say(ID))
    noise_inputs = [noisy, draws, psi, label, context.model]
    context.bind(
        detail.click, noise_detail, noise_inputs, [changed, drawn_noise], name="noise_detail"
    ).success(inputs=drawn_noise, **say)  # fmt: skip
    context.bind(
        parts.click, noise_parts, [noisy, psi, label, context.model], [changed, drawn_noise], name="noise_parts"
    ).success(inputs=drawn_noise, **say)


def _listed(values: list[Any]) -> str:
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def _lacking(card: ModelInfo | None) -> str:
    if card is None or card.styled:
        return ""
    return controls.note(
        f'Truncation and noise need a StyleGAN model; "{card.name}" is a ProGAN. Choose another above.'
    )
