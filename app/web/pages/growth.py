"""Growth: how a new block fades in, and one latent as every stage of the network draws it; for both architectures."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import gradio as gr
import numpy as np

from app.web.context import Context
from app.web.live import Placed
from app.web.pages import controls
from stylegrow.models.info import ModelInfo
from stylegrow.rendering import figures

ID = "growth"
MOST_SEEDS = 4


def build(context: Context) -> None:
    """The tab."""
    with gr.Tab("Growth", id=ID):
        gr.Markdown(
            "The network starts small. Whenever it has learnt a size, a block for twice that size is faded in: "
            "alpha is how far. Smaller sizes are shown in true colours: the layers that make pictures of them, last "
            "trained when they were the newest, are fitted to what the whole network draws now."
        )
        with controls.row():
            with controls.column(2):
                seed = controls.seed(context, "Seed")
                stage = controls.stage(context, context.first)
                alpha = controls.alpha(context, 0.5)
                psi = controls.psi(context)
                label, labelled = controls.label(context)
            with controls.column(5):
                faded = controls.gallery("Fading in", "faded", 3, "pixels three")
                drawn = controls.drawn(ID)
        gr.Markdown("## Every stage")
        with controls.row():
            with controls.column(2):
                seeds = controls.seeds(context, "0-2", MOST_SEEDS)
                every = gr.Button("Draw all stages", variant="primary")
            with controls.column(5):
                ladder = controls.figure("All stages", "ladder")
                drawn_ladder = controls.drawn("ladder")
    context.follow([stage, faded, ladder], lambda card: [gr.update(**controls.stage_range(card)), None, None])
    context.fields[ID] = {"seed": seed, "stage": stage, "alpha": alpha, "psi": psi, "class": label, "seeds": seeds}

    def fade_in(
        seed: int, stage: int, alpha: float, psi: float, label: str | None, model: str
    ) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        """One seed at a stage (1: 4 px, 2: 8 px, ...): without the new block, with `alpha` of it, with all of it.

        The stage that training began with is always shown whole; those before it, which it never drew, are refused.
        """
        card = context.models.card(model)
        resolution = controls.stage_size(card, stage)
        shown = []
        for share, said in ((0.0, "before"), (alpha, f"alpha {alpha:g}"), (1.0, "after")):
            drawing = start(card, resolution, share, psi, label)
            path = drawing.save(drawing.image(seed), f"stage{resolution}-{said[-4:].strip()}", seed=seed)
            shown.append((path, said))
        newest = f"the newest block {alpha:.0%} in" if resolution > card.first_stage else "the first that was trained"
        alts = [f"Generated image, seed {seed}, stage {resolution} px, {said}, model {card.name}" for _, said in shown]
        return shown, controls.report(f"{resolution} by {resolution} px, {newest}.", "#faded img", alts)

    def start(card: ModelInfo, resolution: int, share: float, psi: float, label: str | None) -> controls.Drawing:
        look: dict[str, Any] = {"psi": psi, "label": label, "resolution": resolution, "alpha": share}
        return controls.start_drawing(context, card.name, growing=True, **look)

    @lru_cache(2)  # those without and with all of the new block stay the same while alpha moves
    def ends(seed: int, model: str, resolution: int, psi: float, label: str | None) -> list[np.ndarray]:
        card = context.models.card(model)
        return [start(card, resolution, share, psi, label).image(seed) for share in (0, 1)]

    def move(seed: int, stage: int, alpha: float, psi: float, label: str | None, model: str) -> Iterator[Placed]:
        """The three of `fade_in`."""
        card = context.models.card(model)
        resolution = controls.stage_size(card, stage)
        before, after = ends(seed, model, resolution, psi, label)
        now = start(card, resolution, alpha, psi, label).image(seed)
        return (("#faded img", at, image) for at, image in enumerate((before, now, after)))

    def stages(seeds: list[int], psi: float, label: str | None, model: str) -> tuple[str, dict[str, Any]]:
        """A figure of the same latents as every trained stage draws them: a row a seed, a column a stage."""
        drawing = controls.start_drawing(context, model, growing=True, psi=psi, label=label)
        card, figure = drawing.card, figures.stages(drawing.sampler, seeds, drawing.setting)
        path = drawing.save(figure.image, "stages", seeds=seeds)
        first = card.first_stage
        alt = f"Seeds {', '.join(map(str, seeds))} from {first} to {card.resolution} px, model {card.name}"
        count = len(seeds) * len(card.stages[card.stages.index(first) :])
        return path, controls.report(f"Drew {drawing.took(count)}.", "#ladder img", [alt])

    def show(seed: int, seeds: list[int], stage: int, *rest: Any) -> list[Any]:
        """For whoever opens the tab."""
        alpha, psi, label, model = rest
        card = context.models.card(model)
        if not context.quick(model, 3):
            return [gr.skip(), gr.skip(), controls.slow("draw, press Enter in Seed, or Draw all stages")]
        stage = min(max(stage, controls.first_stage(card)), len(card.stages))
        shown, said = fade_in(seed, stage, alpha, psi, label, model)
        if not context.quick(model, 3 + len(seeds) * len(card.stages)):
            return [shown, gr.skip(), controls.slow("draw the rest, press Draw all stages", said["alts"])]
        ladder, described = stages(seeds, psi, label, model)
        said["alts"] += described["alts"]
        return [shown, ladder, said]

    then, look = controls.say(ID), [psi, label, context.model]
    given = [seed, stage, alpha, *look]
    context.bind(seed.submit, fade_in, given, [faded, drawn], name="fade_in", then=then)
    moving = [seed.input, stage.input, alpha.input, psi.input, *labelled]
    context.move(ID, moving, move, given, fade_in, given, [faded, drawn], then)
    triggers = [every.click, seeds.submit]
    context.bind(triggers, stages, [seeds, *look], [ladder, drawn_ladder], name="stages", then=then)
    context.show(ID, show, [seed, seeds, stage, alpha, *look], [faded, ladder, drawn], then)
