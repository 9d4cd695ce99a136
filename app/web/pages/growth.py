"""Growth: how a new block fades in, and one latent as every stage of the network draws it; for both architectures."""

import time
from typing import Any

import gradio as gr

from app.web import checks
from app.web.context import Context
from app.web.files import new_folder, save_picture
from app.web.pages import controls
from stylegrow.common.errors import InputError
from stylegrow.rendering import figures

ID = "growth"
MOST_SEEDS = 4


def build(context: Context) -> None:
    """The tab."""
    first = context.models.cards.get(context.models.first or "")
    with gr.Tab("Growth", id=ID):
        gr.Markdown(
            "The network starts small. Whenever it has learnt a size, a block for twice that size is faded in: "
            "alpha is how far. What turned the smaller sizes into pictures was last trained when they were the newest, "
            "so their colours are no longer true."
        )
        with gr.Row(equal_height=False, elem_classes="pictures-first"):
            with gr.Column(scale=2, min_width=280):
                seed = context.checked(gr.Number(0, label="Seed"), checks.seed)
                stage = context.checked(
                    gr.Slider(**controls.stage_slider(first), step=1), checks.whole(1, controls.MOST_STAGES, "Stage")
                )
                alpha = context.checked(
                    gr.Slider(0, 1, 0.5, step=0.05, label="Alpha", info=controls.ALPHA_INFO),
                    checks.number(0, 1, "Alpha"),
                )
                psi = controls.psi(context)
                label = controls.label(context)
            with gr.Column(scale=5, min_width=280):
                faded = controls.gallery("Fading in", "faded", 3, "pixels three")
                drawn = controls.drawn(ID)
        gr.Markdown("### Every stage")
        with gr.Row(equal_height=False, elem_classes="pictures-first"):
            with gr.Column(scale=2, min_width=280):
                seeds = context.checked(
                    gr.Textbox("0-2", label="Seeds", info=f"at most {MOST_SEEDS}", max_lines=1),
                    checks.several_seeds(1, MOST_SEEDS),
                )
                every = gr.Button("Draw all stages", variant="primary")
            with gr.Column(scale=5, min_width=280):
                ladder = controls.figure("All stages", "ladder")
                drawn_ladder = controls.drawn("ladder")
    context.follow([stage, ladder], lambda card: [gr.update(**controls.stage_slider(card)), None])
    context.fields |= {"stage": stage, "alpha": alpha, "seed": seed}

    def fade_in(
        seed: int, stage: int, alpha: float, psi: float, label: str | None, model: str
    ) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        """One seed at a stage (1: 4 px, 2: 8 px, ...): without the new block, with `alpha` of it, with all of it.

        The stage that training began with is always shown whole; those before it, which it never drew, are refused.
        """
        card, engine = controls.opened(context, model)
        if stage > len(card.stages):
            raise InputError(f'"{card.name}" has {len(card.stages)} stages, of 4 to {card.resolution} px.')
        first, resolution = figures.first_stage(engine, card.resolution), card.stages[stage - 1]
        if resolution < first:
            least = card.stages.index(first) + 1
            raise InputError(
                f'Training of "{card.name}" began at {first} px, which is stage {least}; choose that or more.'
            )
        folder, shown, alts = new_folder(context.files), [], []
        for share, said in ((0.0, "before"), (alpha, f"alpha {alpha:g}"), (1.0, "after")):
            share = share if resolution > first else 1.0
            setting = controls.setting(engine, card, psi=psi, label=label, resolution=resolution, alpha=share)
            picture = next(engine.images([seed], setting))
            path = save_picture(
                picture, folder, f"stage{resolution}-{said[-4:].strip()}", engine.text(setting, seed=seed)
            )
            shown.append((path, said))
            alts.append(
                ["#faded img", f"Generated image, seed {seed}, stage {resolution} px, {said}, model {card.name}"]
            )
        newest = f"the newest block {alpha:.0%} in" if resolution > first else "the first that was trained"
        return shown, controls.report(f"{resolution} by {resolution} px, {newest}.", alts=alts)

    def stages(seeds: list[int], psi: float, label: str | None, model: str) -> tuple[str, dict[str, Any]]:
        """A figure of the same latents as every trained stage draws them: a row a seed, a column a stage."""
        start = time.perf_counter()
        card, engine = controls.opened(context, model)
        setting = controls.setting(engine, card, psi=psi, label=label)
        figure = figures.stages(engine, seeds, setting)
        path = save_picture(figure.image, new_folder(context.files), "stages", engine.text(setting, seeds=seeds))
        first = figures.first_stage(engine, card.resolution)
        alt = f"Seeds {', '.join(map(str, seeds))} from {first} to {card.resolution} px, model {card.name}"
        said = controls.draw_text(len(seeds) * len(card.stages[card.stages.index(first) :]), "image", start)
        return path, controls.report(f"Drew {said}.", alts=[["#ladder img", alt]])

    def show(seed: int, seeds: list[int], stage: int, *rest: Any) -> list[Any]:
        """For whoever opens the tab."""
        alpha, psi, label, model = rest
        card = context.models.card(model)
        if not context.quick(model, 3 + len(seeds) * len(card.stages)):
            return [gr.skip()] * 3
        first = card.stages.index(figures.first_stage(context.models.engine(model), card.resolution)) + 1
        shown, said = fade_in(seed, min(max(stage, first), len(card.stages)), alpha, psi, label, model)
        return [shown, stages(seeds, psi, label, model)[0], said]

    say: dict[str, Any] = {"fn": None, "js": controls.say(ID), "api_visibility": "private"}
    look = [psi, label, context.model]
    context.bind(
        [stage.input, alpha.input, seed.submit, psi.release],
        fade_in,
        [seed, stage, alpha, *look],
        [faded, drawn],
        name="fade_in",
        trigger_mode="always_last",
        show_progress="hidden",
    ).success(inputs=drawn, **say)
    context.bind(
        [every.click, seeds.submit], stages, [seeds, *look], [ladder, drawn_ladder], name="stages"
    ).success(inputs=drawn_ladder, **say)  # fmt: skip
    context.show(ID, show, [seed, seeds, stage, alpha, *look], [faded, ladder, drawn], controls.say(ID))
