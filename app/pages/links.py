"""What the page as a whole reacts to: another model, or a link that sets the controls (`?tab=generate&seeds=4`)."""

import contextlib
from collections.abc import Mapping
from typing import Any

import gradio as gr

from app.context import Context
from app.errors import AppError

LONGEST = 2000


def connect(context: Context, demo: gr.Blocks) -> None:
    """Bind both, once all pages are built."""
    followers = [component for components, _ in context.followers for component in components]
    context.bind(context.model.change, lambda model: _followed(context, model), [context.model], followers, draws=False)
    names = list(context.fields)

    def opened(request: gr.Request) -> list[Any]:
        given = read(context, dict(request.query_params))
        card = context.models.cards.get(given.get("model") or context.models.first or "")
        follow = [update for _, updates in context.followers for update in updates(card)]
        fields = [gr.update(value=given[name]) if name in given else gr.skip() for name in names]
        tab = gr.update(selected=given["tab"]) if "tab" in given else gr.skip()
        # The fields last: what a link says counts for more than what the model suggests.
        return [tab, gr.update(value=card.name) if card else gr.skip(), *follow, *fields]

    context.loaded = demo.load(
        opened,
        None,
        [context.tabs, context.model, *followers, *context.fields.values()],
        api_visibility="private",
        concurrency_limit=None,
        show_progress="hidden",
    )


def _followed(context: Context, model: str) -> list[Any]:
    context.models.engine(model)  # so that the badge can tell how quick it is
    card = context.models.card(model)
    return [update for _, updates in context.followers for update in updates(card)]


def read(context: Context, query: Mapping[str, str]) -> dict[str, Any]:
    """The values that a link gives to the tab, the model and the fields; what is not fine is left out."""
    found: dict[str, Any] = {}
    known: dict[str, list[Any]] = {
        "tab": [getattr(tab, "id", None) for tab in context.tabs.children],
        "model": list(context.models.cards),
    }
    for name, text in query.items():
        if len(text) > LONGEST:
            continue
        if name in known:
            found |= {name: text} if text in known[name] else {}
        elif name in context.fields:
            with contextlib.suppress(AppError):
                found[name] = context.value_of(context.fields[name], text)
    return found
