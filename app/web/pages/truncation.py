"""Truncation and noise: the same faces nearer to the average and further off, and what the noise changes."""

from functools import partial
from typing import Any

import gradio as gr

from app.web import checks
from app.web.context import Context
from app.web.pages import controls
from stylegrow.common.errors import InputError
from stylegrow.rendering import figures

ID = "truncation"
MOST_SEEDS, MOST_NOISY = 8, 4
PSIS = "1,.7,.5,0,-.5,-1"
LARGE = 256  # px of the cells of smaller models
LEAST_DRAWS, MOST_DRAWS = 2, 100

Reported = tuple[str, dict[str, Any]]


def build(context: Context) -> None:
    """The tab."""
    with gr.Tab("Truncation", id=ID), controls.only_for(context, ID, "styled", "Truncation and noise need"):
        with controls.row():
            with controls.column(2):
                seeds = controls.seeds(context, "0-3", MOST_SEEDS)
                psis = context.checked(
                    gr.Textbox(PSIS, label="Truncations", info="0 is the average face", max_lines=1), checks.psis
                )
                label, _ = controls.label(context)
                strip = gr.Button("Draw the strip", variant="primary")
            with controls.column(5):
                truncated = controls.figure("Truncation strip", "truncated")
                drawn = controls.drawn(ID)
        gr.Markdown(
            "## Noise\nWhat is left to chance: the noise that the network adds at every size. The same face is drawn "
            "twice, and beside it how the two differ, made stronger by the number above it."
        )
        with controls.row():
            with controls.column(2):
                noisy = controls.seeds(context, "0", MOST_NOISY)
                psi = controls.psi(context)
                draws = controls.slider(context, "Draws of noise", LEAST_DRAWS, MOST_DRAWS, 20, name="Draws")
                pair = gr.Button("Two draws, and how they differ", variant="primary")
                detail = gr.Button("What several draws change")
                parts = gr.Button("Which layers' noise does what")
            with controls.column(5):
                changed = controls.figure("Noise", "changed")
                drawn_noise = controls.drawn("noise")
    context.fields[ID] = {"seeds": seeds, "psis": psis, "class": label, "noisy": noisy, "psi": psi, "draws": draws}
    context.follow([truncated, changed], lambda card: [None, None])
    start = partial(controls.start_drawing, context)

    def truncation_strip(seeds: list[int], psis: list[float], label: str | None, model: str) -> Reported:
        """A figure of the same seeds at several truncations: a row a seed, a column a psi."""
        drawing, count = start(model, needs_styles="Truncation", psi=psis[0], label=label), len(seeds) * len(psis)
        if count > context.limits.images:
            raise InputError(f"These are {count} pictures; the limit is {context.limits.images}.")
        figure = figures.truncation_strip(drawing.sampler, seeds, psis, drawing.setting)
        path = drawing.save(figure.image, "truncation", seeds=seeds, psi=psis)
        alt = f"Generated images of seeds {_listed(seeds)} at truncations {_listed(psis)}, model {drawing.card.name}"
        return path, controls.report(f"Drew {drawing.took(count)}.", "#truncated img", [alt])

    def noise_difference(seeds: list[int], psi: float, label: str | None, model: str) -> Reported:
        """A figure of two draws of noise for each seed and, amplified as its label says, how they differ."""
        drawing = start(model, needs_styles="Noise", psi=psi, label=label)
        size = LARGE if drawing.card.resolution < LARGE else None
        figure, times = figures.noise_difference(drawing.sampler, seeds, drawing.setting, size)
        path = drawing.save(figure.image, "noise-difference", seeds=seeds, times=times)
        alt = f"Seeds {_listed(seeds)} drawn twice, and the difference times {times}, model {drawing.card.name}"
        said = f"Drew {drawing.took(len(seeds) * 2)}; the difference is shown {times} times as strong as it is."
        return path, controls.report(said, "#changed img", [alt])

    def noise_detail(seeds: list[int], draws: int, psi: float, label: str | None, model: str) -> Reported:
        """A figure of what noise changes: an image, what changes most in several draws, the deviation of all."""
        drawing = start(model, needs_styles="Noise", psi=psi, label=label)
        figure = figures.noise_detail(drawing.sampler, seeds, draws, drawing.setting)
        path = drawing.save(figure.image, "noise", seeds=seeds, draws=draws)
        alt = f"What noise changes in seeds {_listed(seeds)}, model {drawing.card.name}"
        return path, controls.report(f"Drew {drawing.took(len(seeds) * draws)}.", "#changed img", [alt])

    def noise_parts(seeds: list[int], psi: float, label: str | None, model: str) -> Reported:
        """A figure of the same seeds with noise in all layers, in none, in the coarse ones and in the fine ones."""
        drawing = start(model, needs_styles="Noise", psi=psi, label=label)
        figure = figures.noise_parts(drawing.sampler, seeds, drawing.setting)
        path = drawing.save(figure.image, "noise-parts", seeds=seeds)
        alt = f"Seeds {_listed(seeds)} with noise in all, no, coarse and fine layers, model {drawing.card.name}"
        return path, controls.report(f"Drew {drawing.took(len(seeds) * 4)}.", "#changed img", [alt])

    def show(seeds: list[int], psis: list[float], noisy: list[int], psi: float, *look: Any) -> list[Any]:
        """For whoever opens the tab."""
        label, model = look
        card = context.models.card(model)
        if not card.styled:
            return [gr.skip()] * 3
        shown, said, pairs = [gr.skip(), gr.skip()], controls.slow("draw, press a button"), 2 * len(noisy)
        if context.quick(model, pairs + len(seeds) * len(psis)):
            shown[0], said = truncation_strip(seeds, psis, label, model)
        if card.noisy and context.quick(model, pairs):
            shown[1], noise = noise_difference(noisy, psi, label, model)
            said["alts"] += noise["alts"]
        return [*shown, said]

    then, outputs = controls.say(ID), [truncated, drawn]
    inputs = [seeds, psis, label, context.model]
    triggers = [strip.click, seeds.submit, psis.submit]
    context.bind(triggers, truncation_strip, inputs, outputs, name="truncation_strip", then=then)
    context.show(ID, show, [seeds, psis, noisy, psi, label, context.model], [truncated, changed, drawn], then)
    outputs, look = [changed, drawn_noise], [psi, label, context.model]
    triggers = [pair.click, noisy.submit]
    context.bind(triggers, noise_difference, [noisy, *look], outputs, name="noise_difference", then=then)
    context.bind(detail.click, noise_detail, [noisy, draws, *look], outputs, name="noise_detail", then=then)
    context.bind(parts.click, noise_parts, [noisy, *look], outputs, name="noise_parts", then=then)


def _listed(values: list[Any]) -> str:
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
