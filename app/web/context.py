"""What the pages of the app share: the models, the limits, and how an event comes to a function of ours."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.events import Dependency

from app.web import checks
from app.web.checks import Check
from app.web.live import Live, Placed
from app.web.models import Models
from stylegrow.common.errors import InputError
from stylegrow.common.system import is_out_of_memory
from stylegrow.models.info import ModelInfo

DRAWS = {"concurrency_id": "gpu", "concurrency_limit": 1}
FREE = {"concurrency_limit": None}
QUICK = 10.0  # seconds
MOST_MOVES = 10**9


@dataclass(frozen=True)
class Limits:
    """What one request may ask for."""

    images: int = 64
    frames: int = 240


@dataclass(frozen=True)
class Endpoint:
    """A public one, for the table in About."""

    name: str
    parameters: tuple[str, ...]
    summary: str


@dataclass
class Context:
    """Made by build_app and given to each page. Nothing of a visitor is ever kept here.

    A page adds its components to `follow` when they depend on the model, to `fields` of its tab when links may set
    them (the key is the link's parameter), and runs its functions through `bind`.
    """

    models: Models
    limits: Limits
    files: Path  # images and videos are written into new folders here; Gradio serves and later deletes them
    runs: Path | None = None
    reals: Path | None = None
    leaderboard: Path | None = None
    live: Live = field(default_factory=Live)
    model: gr.Dropdown = None  # type: ignore[assignment]  # these five are set while the page is built
    unseen: gr.Column = None  # type: ignore[assignment]  # what only scripts press
    tabs: gr.Tabs = None  # type: ignore[assignment]
    here: gr.Textbox = None  # type: ignore[assignment]  # the tab that the visitor sees
    restored: Dependency = None  # type: ignore[assignment]  # the page has followed one of its own links
    fields: dict[str, dict[str, Component]] = field(default_factory=dict)
    followers: list[tuple[Sequence[Block], Callable[[ModelInfo | None], Sequence[Any]]]] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)
    shows: list[tuple[str, Callable[..., Any], Sequence[Component], Sequence[Block], str | None]] = field(
        default_factory=list
    )
    _checks: dict[int, Check] = field(default_factory=dict)

    @property
    def first(self) -> ModelInfo | None:
        """The model that visitors see first."""
        return self.models.cards.get(self.models.first or "")

    def checked(self, component: Any, check: Check) -> Any:
        """The component, whose values are looked at by `check` before any function sees them."""
        self._checks[component._id] = check
        return component

    def value_of(self, component: Component, text: str) -> Any:
        """What a link's text sets a component to. InputError when its check does not take it."""
        if isinstance(component, gr.Checkbox):
            return checks.flag({"true": True, "false": False}.get(text))
        value = self._check(component)(text)
        return value if isinstance(value, int | float) else text

    def follow(self, components: Sequence[Block], update: Callable[[ModelInfo | None], Sequence[Any]]) -> None:
        """Have components updated whenever another model is chosen: `update` gives a value or gr.update for each."""
        self.followers.append((components, update))

    def show(
        self,
        tab: str,
        work: Callable[..., Any],
        inputs: Sequence[Component],
        outputs: Sequence[Block],
        then: str | None = None,
    ) -> None:
        """Have `work` fill a tab when it is opened, and when the model changes while it is; `then` is as in `bind`.

        It should leave what takes long to a button: see `quick`.
        """
        self.shows.append((tab, work, inputs, outputs, then))

    def quick(self, model: Any, images: int, patience: float = QUICK) -> bool:
        """Whether so many images take less than `patience` (s), so that they may be drawn without being asked for.

        It loads the model. InputError where it cannot be loaded.
        """
        self.models.sampler(model)
        seconds = self.models.seconds(model)
        if seconds is None or seconds * images >= patience:
            seconds = self.models.measured_again(model)
        return seconds * images < patience

    def bind(
        self,
        triggers: Any,
        work: Callable[..., Any],
        inputs: Sequence[Component],
        outputs: Sequence[Block],
        *,
        name: str | None = None,
        draws: bool = True,
        then: str | None = None,
        **more: Any,
    ) -> Dependency:
        """Run `work` on events, with the values of the inputs as their checks have read them.

        `triggers` is one event (button.click, dependency.then) or a list of them. With a `name` this is a public
        endpoint, whose documentation is the docstring of `work`. `draws` says whether the network runs, for which all
        wait in one line. `then` is a script that gets the last output once all is well. An InputError becomes the
        message that the visitor sees.
        """
        checked = [self._check(component) for component in inputs]
        if name is not None:
            parameters = list(inspect.signature(work).parameters)[: len(inputs)]
            self.endpoints.append(Endpoint(name, tuple(parameters), (inspect.getdoc(work) or "").partition("\n")[0]))
        listen = functools.partial(gr.on, triggers) if isinstance(triggers, list) else triggers
        event = listen(
            _reading(work, checked),
            list(inputs),
            list(outputs),
            api_name=name,
            api_description=inspect.getdoc(work) if name else False,
            api_visibility="public" if name else "private",
            validator=_validator(checked) if checked else None,
            **((DRAWS if draws else FREE) | {"show_progress": "minimal"} | self._progress(more) | more),
        )
        if then:
            run_script(event.success, then, outputs[-1])
        return event

    def move(
        self,
        name: str,
        triggers: Sequence[Any],
        work: Callable[..., Iterable[Placed]],
        inputs: Sequence[Component],
        rest: Callable[..., Sequence[Any]],
        rest_inputs: Sequence[Component],
        outputs: Sequence[Block],
        then: str,
    ) -> None:
        """Have `work` draw at once, and over and over, while controls move; once they rest, `rest` draws for good.

        `triggers` are input events, not those of a release. What `work` draws comes past the line (`Live`) and lies
        over the images of the page until a newer `rest` is done, as its report, the last output, tells. `then` is
        as in `bind`. The name starts with the tab's.
        """
        checked = [self._check(component) for component in inputs]
        self.live.works[name] = len(inputs), _reading(work, checked)
        with self.unseen:
            button = gr.Button("Draw", elem_id=f"{name}-rest")
            move = self.checked(gr.Number(0, label="Move"), checks.whole(0, MOST_MOVES, "Move"))
        for trigger in triggers:
            run_script(trigger, f"(...values) => window.stylegrow.live.move({name!r}, values)", list(inputs))

        def rested(*values: Any) -> list[Any]:
            *drawn, report = rest(*values[:-1])
            return [*drawn, report | {"live": name, "move": values[-1]}]

        self.bind(
            button.click,
            rested,
            [*rest_inputs, move],
            outputs,
            then=then,
            trigger_mode="always_last",
            show_progress="hidden",
            js=f"(...values) => window.stylegrow.live.rested({name!r}, values)",
        )

    def _progress(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """Where progress that is hidden is "shown": with every event the browser updates all components that ever were.

        They were 147 of the page's in 22 rounds for a click on a tab, a second of a slow processor.
        """
        return {"show_progress_on": self.here} if more.get("show_progress") == "hidden" else {}

    def _check(self, component: Component) -> Check:
        if isinstance(component, gr.State):
            return lambda value: value  # it never leaves the server
        return self._checks[component._id]


def run_script(trigger: Any, script: str | None, inputs: Any = None, outputs: Any = None) -> Dependency:
    """Run a script of the page's own on an event, without asking the server."""
    return trigger(None, inputs, outputs, js=script, api_visibility="private")


def _validator(checks: Sequence[Check]) -> Callable[..., Any]:
    """What Gradio asks, before the event waits in line, about each input."""

    def verdict(check: Check, value: Any) -> dict[str, Any]:
        try:
            check(value)
        except InputError as error:
            return gr.validate(False, str(error))
        return gr.validate(True, "")

    def validator(*values: Any) -> Any:
        results = [verdict(check, value) for check, value in zip(checks, values, strict=True)]
        return results[0] if len(results) == 1 else results

    return validator


def _reading(work: Callable[..., Any], checks: Sequence[Check]) -> Callable[..., Any]:
    """`work` with values as its checks read them, whose InputErrors are shown to the visitor and not logged."""

    def read(values: Sequence[Any]) -> list[Any]:
        return [check(value) for check, value in zip(checks, values, strict=False)] + list(values[len(checks) :])

    if inspect.isgeneratorfunction(work):

        @functools.wraps(work)
        def stream(*values: Any) -> Any:
            with _errors_shown():
                yield from work(*read(values))

        return stream

    @functools.wraps(work)
    def call(*values: Any) -> Any:
        with _errors_shown():
            return work(*read(values))

    return call


@contextlib.contextmanager
def _errors_shown() -> Iterator[None]:
    """Errors that are no mistake of ours become messages."""
    try:
        yield
    except (InputError, RuntimeError, MemoryError) as error:
        text = str(error)
        if not isinstance(error, InputError):
            if not is_out_of_memory(error):
                raise
            text = "There is not enough memory for this model here, even for one image."
        text = text[:1].upper() + text[1:] + ("" if text.endswith((".", ")")) else ".")
        # Gradio shows errors as HTML.
        raise gr.Error(text.replace("<", "‹"), title="That did not work", print_exception=False) from None
