"""Growth: how a new block fades in, and one latent as every stage of the network draws it; for both architectures."""

from typing import Any

import gradio as gr

from app.web.context import Context
from app.web.pages import controls
from stylegrow.common.errors import InputError
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
                label, _ = controls.label(context)
            with controls.column(5):
                faded = controls.gallery("Fading in", "faded", 3, "pixels three")
                drawn = controls.drawn(ID)
        gr.Markdown("### Every stage")
        with controls.row():
            with controls.column(2):
                seeds = controls.seeds(context, "0-2", MOST_SEEDS)
                every = gr.Button("Draw all stages", variant="primary")
            with controls.column(5):
                ladder = controls.figure("All stages", "ladder")
                drawn_ladder = controls.drawn("ladder")
    context.follow([stage, ladder], lambda card: [gr.update(**controls.stage_range(card)), None])
    context.fields |= {"stage": stage, "alpha": alpha, "seed": seed}

    def fade_in(
        seed: int, stage: int, alpha: float, psi: float, label: str | None, model: str
    ) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        """One seed at a stage (1: 4 px, 2: 8 px, ...): without the new block, with `alpha` of it, with all of it.

        The stage that training began with is always shown whole; those before it, which it never drew, are refused.
        """
        card = context.models.card(model)
        if stage > len(card.stages):
            raise InputError(f'"{card.name}" has {len(card.stages)} stages, of 4 to {card.resolution} px.')
        first, resolution = card.first_stage, card.stages[stage - 1]
        if resolution < first:
            least = card.stages.index(first) + 1
            raise InputError(
                f'Training of "{card.name}" began at {first} px, which is stage {least}; choose that or more.'
            )
        shown = []
        for share, said in ((0.0, "before"), (alpha, f"alpha {alpha:g}"), (1.0, "after")):
            share = share if resolution > first else 1.0
            look: dict[str, Any] = {"psi": psi, "label": label, "resolution": resolution, "alpha": share}
            drawing = controls.start_drawing(context, model, growing=True, **look)
            path = drawing.save(drawing.image(seed), f"stage{resolution}-{said[-4:].strip()}", seed=seed)
            shown.append((path, said))
        newest = f"the newest block {alpha:.0%} in" if resolution > first else "the first that was trained"
        alts = [f"Generated image, seed {seed}, stage {resolution} px, {said}, model {card.name}" for _, said in shown]
        return shown, controls.report(f"{resolution} by {resolution} px, {newest}.", "#faded img", alts)

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
        if not context.quick(model, 3 + len(seeds) * len(card.stages)):
            return [gr.skip()] * 3
        least = card.stages.index(card.first_stage) + 1
        shown, said = fade_in(seed, min(max(stage, least), len(card.stages)), alpha, psi, label, model)
        return [shown, stages(seeds, psi, label, model)[0], said]

    then, look = controls.say(ID), [psi, label, context.model]
    context.bind(
        [stage.input, alpha.input, seed.submit, psi.release],
        fade_in,
        [seed, stage, alpha, *look],
        [faded, drawn],
        name="fade_in",
        then=then,
        trigger_mode="always_last",
        show_progress="hidden",
    )
    triggers = [every.click, seeds.submit]
    context.bind(triggers, stages, [seeds, *look], [ladder, drawn_ladder], name="stages", then=then)
    context.show(ID, show, [seed, seeds, stage, alpha, *look], [faded, ladder, drawn], then)
