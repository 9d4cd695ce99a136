"""What the page as a whole reacts to: another model, and a link that sets the controls (`?tab=generate&seeds=4`)."""

import contextlib
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
from gradio.events import Dependency

from app.web.context import Context, run_script
from app.web.pages import header
from stylegrow.common.errors import InputError

LONGEST = 2000
FIRST = "generate"  # the tab that links without one are about


def connect(context: Context, demo: gr.Blocks, badge: gr.HTML) -> None:
    """Bind both, once all pages are built. Until a link is read visitors cannot touch the page."""
    followers = [component for components, _ in context.followers for component in components]
    followed = context.bind(  # not what a link chose, whose fields would be lost
        context.model.input, lambda model: _followed(context, model), [context.model], followers, draws=False
    )
    linked = [field for fields in context.fields.values() for field in fields.values()]
    changed = list(dict.fromkeys([*followers, *linked]))  # one may be both

    def updates(query: Mapping[str, str], before: str | None = None) -> list[Any]:
        """What a link makes of a page that shows the model `before`, None for one that is only opened."""
        given = read(context, query)
        card = context.models.cards.get(given.get("model") or before or context.models.first or "")
        changes: dict[Any, Any] = {}
        if card is None or card.name != before:
            new = (update for _, updates in context.followers for update in updates(card))
            changes = dict(zip(followers, new, strict=True))
        for name, field in context.fields.get(given.get("tab", FIRST), {}).items():
            if name in given:  # what a link says counts for more than what the model suggests
                change = changes.get(field)
                changes[field] = (change if isinstance(change, dict) else {}) | gr.update(value=given[name])
        return [
            gr.update(selected=given["tab"]) if "tab" in given else gr.skip(),
            gr.update(value=card.name) if card else gr.skip(),
            *(changes.get(one, gr.skip()) for one in changed),
        ]

    def opened(request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        return [read(context, query).get("tab", FIRST), *updates(query)]

    def restore(link: dict[str, str], before: str) -> list[Any]:
        context.models.card(link.get("model", before))  # else another model's image would be shown for it
        return updates(link, before)

    loaded = demo.load(
        opened,
        None,
        [context.here, context.tabs, context.model, *changed],
        api_visibility="private",
        concurrency_limit=None,
        show_progress="hidden",
        show_progress_on=context.here,
    )
    with context.unseen:
        link = context.checked(gr.Textbox(label="Link"), _query)
        go = gr.Button("Go", elem_id="go")
    context.restored = context.bind(
        go.click,
        restore,
        [link, context.model],
        [context.tabs, context.model, *changed],
        draws=False,
        show_progress="hidden",
        trigger_mode="always_last",
        js="(link, model) => [window.stylegrow.wanted, model]",
    )
    loaded.then(None, None, None, js="() => window.stylegrow.address.begin()", api_visibility="private")
    for tab, fields in context.fields.items():
        named: dict[str, Any] = {"model": context.model} | fields
        script = f"(...values) => window.stylegrow.address.keep({json.dumps(tab)}, {json.dumps(list(named))}, values)"
        gr.on([one.change for one in named.values()], None, list(named.values()), js=script, api_visibility="private")
    seen = {tab.id: _seen(context, tab) for tab in context.tabs.children if isinstance(tab, gr.Tab)}
    first = next(iter(seen))
    if not context.models.cards:
        return

    def speed(model: str) -> str:
        with contextlib.suppress(InputError):  # said when it is to draw
            context.models.sampler(model)
        return header.badge(context, context.models.card(model))

    for event in (loaded, context.restored):
        context.bind(event.success, speed, [context.model], [badge], draws=False, show_progress="hidden")
    for tab, work, inputs, outputs, then in context.shows:
        shown, inputs = _where_seen(tab, work, len(outputs)), [context.here, *inputs]
        # The first tab is opened before the link is read, and it goes back by itself.
        opening = [context.here.change] if tab == first else [seen[tab].success, context.restored.success]
        for event in (*opening, followed.success):
            context.bind(event, shown, inputs, outputs, then=then, show_progress="hidden")


def _seen(context: Context, tab: gr.Tab) -> Dependency:
    """Keeps in mind which tab is opened."""
    script = f"(here) => window.stylegrow.seen({json.dumps(tab.id)}, here)"
    return run_script(tab.select, script, context.here, context.here)


def _where_seen(tab: str, work: Callable[..., Any], outputs: int) -> Callable[..., Any]:
    """`work`, done only where this tab is seen."""
    nothing = gr.skip() if outputs == 1 else [gr.skip()] * outputs
    if inspect.isgeneratorfunction(work):

        def shown_as_it_comes(here: str, *values: Any) -> Any:
            yield from work(*values) if here == tab else [nothing]

        return shown_as_it_comes

    def shown(here: str, *values: Any) -> Any:
        return work(*values) if here == tab else nothing

    return shown


def _followed(context: Context, model: str) -> list[Any]:
    context.models.sampler(model)  # so that the badge can tell how quick it is
    card = context.models.card(model)
    return [update for _, updates in context.followers for update in updates(card)]


def _query(value: Any) -> dict[str, str]:
    """A link's query, "?tab=generate&seeds=4"."""
    if not isinstance(value, str) or len(value) > 4 * LONGEST:
        raise InputError("That is no link of this page.")
    return dict(parse_qsl(value.removeprefix("?")))


def read(context: Context, query: Mapping[str, str]) -> dict[str, Any]:
    """The values that a link gives to the tab, the model and the tab's fields; what is not fine is left out."""
    found: dict[str, Any] = {}
    known: dict[str, list[Any]] = {
        "tab": [getattr(tab, "id", None) for tab in context.tabs.children],
        "model": list(context.models.cards),
    }
    fields = context.fields.get(query.get("tab", FIRST), {})
    for name, text in query.items():
        if len(text) > LONGEST:
            continue
        if name in known:
            found |= {name: text} if text in known[name] else {}
        elif name in fields:
            with contextlib.suppress(InputError):
                found[name] = context.value_of(fields[name], text)
    return found
