"""Which is real? The game: tell a real image from generated ones. Its rules are in rules.py and game.py."""

import weakref
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import gradio as gr

from app.game import scores_page, wording
from app.game.game import Game, board_name
from app.game.leaderboard import LEAST_ROUNDS, Leaderboard
from app.game.rounds import RoundSource
from app.game.rules import DIFFICULTIES, FOLLOW, LETTERS, MODES
from app.game.statistics import CONFIDENCES
from app.web import checks
from app.web.context import Context, run_script
from app.web.models import NO_MODEL
from app.web.pages import controls
from stylegrow.common.errors import InputError

ID = "game"
ROUNDS = {"10": 10, "20": 20, "endless": None}
ABOUT_MODES = {
    "pair": "two pictures, one is real",
    "single": "one picture, real or generated",
    "odd": "four pictures, one is real",
    "blitz": "as many pairs as you can in 60 s",
    "critic": "the model's own critic plays too",
}
KEYS = (
    ("1 2 3 4, A B C D", "this picture is real"),
    ("R, G", "Single: it is real, it was generated"),
    ("N, Enter", "next round; N skips one that is open"),
    ("Space", "hold to magnify; arrow keys or the pointer choose where"),
    ("?", "this list"),
)
LONGEST_ID, LONGEST_TOKEN, LONGEST_NICKNAME = 64, 100, 1000
# What the script of the page does with what the server said, and before the server is asked.
_ARRIVED, _SHOW, _RESULT, _TIME, _SAVE, _JOINED, _FAILED, _SETTINGS, _MAGNIFY = (
    f"(...said) => window.stylegrow.game.{name}(...said)"
    for name in ("arrived", "show", "result", "time", "save", "joined", "failed", "settings", "zoom")
)
_DRAWING = "(...given) => window.stylegrow.game.drawing(given)"
_ANSWERING = "(round, choice, confidence) => window.stylegrow.game.answering(round, confidence)"
_LEFT = "() => window.stylegrow.game.left('Erased.')"
_KEY = "() => [window.stylegrow.game.key()]"
QUIET: dict[str, Any] = {"draws": False, "show_progress": "hidden"}


def build(context: Context) -> None:
    """The tab. What is played lives on the server, told apart by the page's session; see Game."""
    leaderboard = Leaderboard(context.leaderboard) if context.leaderboard else None
    game, source = Game(context.files, leaderboard), RoundSource(context.reals)
    weakref.finalize(context, game.close)
    if leaderboard is not None:
        weakref.finalize(context, leaderboard.close)
    with gr.Tab("Which is real?", id=ID):
        title = gr.HTML(_title("picture") if context.first else _unplayable(NO_MODEL), elem_id="game-head")
        with gr.Column(elem_id="game"):
            mode, difficulty, rounds, thumbnails, start = _settings(context)
            gr.HTML(_QUESTION, elem_id="game-top")
            pictures, picks = _pictures()
            with gr.Row(elem_id="game-under"):
                confidence = context.checked(
                    gr.Radio(
                        [("I am sure", "sure"), ("I think so", "think"), ("I am guessing", "guess")],
                        label="How sure are you? (optional, before the answer)",
                        elem_id="game-confidence",
                    ),
                    _confidence,
                )
            gr.HTML(_VERDICT, elem_id="game-end")
            with gr.Row(elem_id="game-buttons"):
                main: dict[str, Any] = {"variant": "primary", "elem_classes": "game-bar", "min_width": 140}
                following = gr.Button("Next", elem_id="game-next", **main)
                again = gr.Button("Play again", elem_id="game-again", **main)
                magnify = gr.Button("Magnify", elem_id="game-magnify", min_width=120)
                skip = gr.Button("Skip", elem_id="game-skip", min_width=100)
                settings = gr.Button("Settings", elem_id="game-other", min_width=140)
            # What the browser and the server tell each other.
            round_id = context.checked(gr.Textbox(label="Round", visible="hidden"), _round)
            choice = context.checked(gr.Textbox(label="Choice", visible="hidden"), _choice)
            status, result, arrived = (
                gr.JSON(label=name, visible="hidden") for name in ("Status", "Result", "Arrived")
            )
            time = gr.Button("Time", visible="hidden", elem_id="game-time")
            returned = gr.Button("Return", visible="hidden", elem_id="game-return")
            with gr.Accordion("Your statistics", open=False, elem_id="game-statistics"):
                refresh = _statistics(context, game)
            with gr.Accordion(
                "Leaderboard", open=False, visible=leaderboard is not None, elem_id="game-leaderboard"
            ) as boards:
                ranking = _leaderboard(context, game, source, [mode, difficulty, context.model], boards, returned)
            gr.HTML(_KEYS)
    context.fields[ID] = {"mode": mode, "difficulty": difficulty}

    def arrive(model: str, mode: str) -> list[Any]:
        """What the model's data and critic allow."""
        try:
            played = source.of(context.models.sampler(model))
        except InputError as error:
            return [_unplayable(str(error)), gr.skip(), gr.skip(), {"ready": False}]
        played.prepare()
        modes = [name for name, kind in MODES.items() if played.critic or not kind.needs_critic]
        chosen = mode if mode in modes else "pair"
        level = gr.update(visible=True) if played.graded else gr.update(visible=False, value="normal")
        return [_title(played.reals.noun), gr.update(choices=_modes(modes), value=chosen), level, {"ready": True}]

    def game_new(
        mode: str, difficulty: str, rounds: int | None, thumbnails: bool, model: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """A new round: up to four pictures (those not used are null), the round's id, and what is asked.

        The mode is pair, single, odd, blitz or critic. Rounds belong to the session that asked for them; the last one
        of the session is over. The difficulty is easy, normal, hard or follow: harder after three right answers in a
        row, easier after a wrong one. An open blitz runs for 60 seconds of thinking. Thumbnails are not ranked.
        """
        sampler = context.models.sampler(model)  # which lives as long as its round is drawn
        shown = game.new_round(_session(request), source.of(sampler), mode, difficulty, rounds, thumbnails)
        files = [str(path) for path in shown.pictures]
        names = ("question", "alternatives", "choices", "buttons")
        said = {name: getattr(shown, name) for name in names} | {"model": model, "standing": vars(shown.standing)}
        return *files, *[None] * (len(LETTERS) - len(files)), shown.id, said

    def game_answer(round_id: str, choice: str, confidence: str | None, request: gr.Request) -> dict[str, Any]:
        """The truth about a round, for an answer: A, B, C or D, or in a round with one picture real or generated.

        Confidence is sure, think, guess or none. Each round takes one answer.
        """
        return game.answer(_session(request), round_id, choice, confidence).json()

    def game_standing(request: gr.Request) -> dict[str, Any] | None:
        """How the series that is being played goes; null before the first round."""
        standing = game.standing(_session(request))
        return None if standing is None else vars(standing)

    drawn = context.bind(
        [start.click, following.click, again.click, skip.click],
        game_new,
        [mode, difficulty, rounds, thumbnails, context.model],
        [*pictures, round_id, status],
        name="game_new",
        js=_DRAWING,
    )
    run_script(drawn.success, _SHOW, [status], [confidence])
    answered = context.bind(
        [pick.click for pick in picks],
        game_answer,
        [round_id, choice, confidence],
        [result],
        name="game_answer",
        then=_RESULT,
        js=_ANSWERING,
        **QUIET,
    )
    context.bind(time.click, game_standing, [], [arrived], name="game_standing", then=_TIME, **QUIET)
    for event in (drawn, answered):
        run_script(event.failure, _FAILED)
        refresh(event.success)
    run_script(settings.click, _SETTINGS)
    run_script(magnify.click, _MAGNIFY)
    ranking(answered.success)
    context.show(ID, arrive, [context.model, mode], [title, mode, difficulty, arrived], _ARRIVED)


def _session(request: gr.Request) -> str:
    return request.session_hash or ""


def _settings(context: Context) -> tuple[gr.Radio, gr.Radio, gr.Radio, gr.Checkbox, gr.Button]:
    """What is chosen before a series: mode, difficulty, length, thumbnails; and the button that starts it."""
    with gr.Column(elem_id="game-settings"):
        mode = controls.choice(context, "What to play", _modes(MODES), "Mode", elem_id="game-mode")
        with gr.Row():
            difficulties = [("Follows you", FOLLOW), *((name.capitalize(), name) for name in DIFFICULTIES)]
            difficulty = controls.choice(context, "Difficulty", difficulties, info=_ABOUT_DIFFICULTY, min_width=260)
            lengths, endless = (
                [(name.capitalize(), name) for name in ROUNDS],
                "a blitz has as many as fit into its time",
            )
            rounds = gr.Radio(lengths, value="10", label="Rounds", info=endless, min_width=260)
            context.checked(rounds, lambda value: ROUNDS[checks.one_of(list(ROUNDS), "Rounds")(value)])
        about = "Thumbnails: fewer pixels, so that mistakes are harder to see"
        if context.leaderboard:
            about += "; not on the leaderboard"
        thumbnails = controls.flag(context, about, elem_id="game-thumbnails")
        gr.HTML('<p class="hint" id="game-best" hidden></p><p class="hint" id="game-player" hidden></p>')
        start = gr.Button("Start", variant="primary", elem_id="game-start")
    return mode, difficulty, rounds, thumbnails, start


def _pictures() -> tuple[list[gr.Image], list[gr.Button]]:
    """Four places for images, which differ in their letters alone, with the buttons of all answers."""
    pictures, picks = [], []
    with gr.Row(elem_id="game-pictures", equal_height=False):
        for letter, button in zip(LETTERS, wording.buttons(MODES["odd"]), strict=True):
            name = f"Picture {letter}"
            with gr.Column(min_width=280, elem_id=f"game-{letter}", elem_classes="game-place"):
                gr.HTML(f'<div class="game-label">{name}</div>')
                kind: dict[str, Any] = {"format": "jpeg", "alt_text": name, "buttons": ["fullscreen"]}
                pictures.append(controls.figure(name, classes="game-picture", **kind))
                picks.append(gr.Button(button, elem_id=f"pick-{letter}", elem_classes=["game-pick", "game-bar"]))
                if letter == LETTERS[0]:
                    with gr.Row(elem_id="game-single"):
                        for text, one in zip(wording.buttons(MODES["single"]), MODES["single"].choices, strict=True):
                            pick = gr.Button(text, elem_id=f"pick-{one}", elem_classes="game-bar", min_width=100)
                            picks.append(pick)
                gr.HTML('<div class="game-caption"></div>')
    return pictures, picks


def _statistics(context: Context, game: Game) -> Callable[[Any], None]:
    """What the visitor has played; returns a function that refreshes it on an event."""
    numbers = gr.HTML(scores_page.statistics(game.statistics("nobody")), elem_id="game-numbers", label="Statistics")
    with gr.Row(elem_id="game-numbers-of"):
        modes = [("all modes", "all"), *((kind.title, name) for name, kind in MODES.items())]
        counted = controls.choice(context, "Rounds of", modes, "Mode", gr.Dropdown, min_width=160)
        export = gr.Button("Save as CSV", elem_id="game-csv", min_width=120)
        forget = gr.Button("Reset", elem_id="game-reset", min_width=100)
    with gr.Row(visible=False):
        ask, facts, lines = gr.Button("Statistics"), gr.JSON(label="Statistics"), gr.Textbox(label="CSV")

    def mine(mode: str, request: gr.Request) -> Any:
        return game.statistics(_session(request), None if mode == "all" else mode)

    def show(mode: str, request: gr.Request) -> str:
        return scores_page.statistics(mine(mode, request))

    def game_stats(mode: str, request: gr.Request) -> dict[str, Any]:
        """The statistics of this session's last 500 rounds, of one mode or of all."""
        return scores_page.facts(mine(mode, request))

    def game_csv(request: gr.Request) -> str:
        """This session's last 500 rounds as CSV, a line a round."""
        return game.csv(_session(request))

    def game_reset(mode: str, request: gr.Request) -> str:
        """Forget this session's rounds; the leaderboard stays as it is."""
        game.reset(_session(request))
        return show(mode, request)

    context.bind(ask.click, game_stats, [counted], [facts], name="game_stats", draws=False)
    context.bind(export.click, game_csv, [], [lines], name="game_csv", draws=False, then=_SAVE)
    reset = context.bind(forget.click, game_reset, [counted], [numbers], name="game_reset", draws=False)
    run_script(reset.success, _SETTINGS)

    def refresh(event: Any) -> None:
        context.bind(event, show, [counted], [numbers], **QUIET)

    refresh(counted.input)
    return refresh


def _leaderboard(
    context: Context,
    game: Game,
    source: RoundSource,
    chosen: Sequence[Any],
    accordion: gr.Accordion,
    returned: gr.Button,
) -> Callable[[Any], None]:
    """The board of what is chosen above, and how to get on it; returns a function that refreshes it on an event."""
    table = gr.HTML(elem_id="game-board")
    gr.HTML(
        f'<p class="hint">Ranked by the lower end of the 95 % interval, from {LEAST_ROUNDS} rounds on. Rounds count '
        "from when they are shown, if you have joined, each among those as hard: a nickname and counts are kept, "
        "nothing else of you. "
        f"{escape(wording.KNOWN_LIMIT)}</p>"
    )
    shape: dict[str, Any] = {"max_lines": 1, "min_width": 160, "scale": 2}
    with gr.Row(elem_classes="seeds-row"):
        nickname = gr.Textbox(label="Nickname", elem_id="game-nickname", **shape)
        context.checked(nickname, _text(LONGEST_NICKNAME, "A nickname"))
        join = gr.Button("Join", min_width=90, elem_id="game-join")
    with gr.Row(elem_classes="seeds-row"):
        key = gr.Textbox(label="Your key, by which you can come back", elem_id="game-key", **shape)
        context.checked(key, _text(LONGEST_TOKEN, "A key"))
        back = gr.Button("Come back", min_width=90)
        leave = gr.Button("Leave and erase", min_width=90, elem_id="game-leave")
    with gr.Row(visible=False):
        ask, entries, said = gr.Button("Board"), gr.JSON(label="Board"), gr.Textbox(label="Said")

    def entries_of(mode: str, difficulty: str, model: str, session: str) -> tuple[list[Any], Any]:
        level = game.level(session, difficulty)
        name = board_name(source.of(context.models.sampler(model)), mode, level)
        return game.board().top(name), game.entry(session, name)

    def show(mode: str, difficulty: str, model: str, request: gr.Request) -> str:
        if game.leaderboard is None:
            return ""
        try:
            top, own = entries_of(mode, difficulty, model, _session(request))
        except InputError as error:
            return controls.note(str(error))
        level = game.level(_session(request), difficulty)
        return scores_page.board(top, own, f"{MODES[mode].title}, {level}, {context.models.card(model).name}")

    def leaderboard(mode: str, difficulty: str, model: str, request: gr.Request) -> dict[str, Any]:
        """The best 20 of a way to play, and this session's own line, if it has joined.

        The difficulty "follow" is the one that this session's next round has.
        """
        top, own = entries_of(mode, difficulty, model, _session(request))
        return {"top": [scores_page.line(entry) for entry in top], "own": own and scores_page.line(own)}

    def leaderboard_join(nickname: str, request: gr.Request) -> str:
        """Count this session's rounds on the leaderboard from now on. Returns the key to come back with."""
        return game.join(_session(request), nickname)

    def leaderboard_return(key: str, request: gr.Request) -> str:
        """Go on as the player with this key. Returns the nickname."""
        return game.rejoin(_session(request), key)

    def leaderboard_leave(request: gr.Request) -> str:
        """Erase this session's player and all the player's rounds from the leaderboard."""
        return "Erased." if game.erase(_session(request)) else "You are not on the leaderboard."

    def come_back(key: str, request: gr.Request) -> tuple[str, str]:
        """For a page that kept a key, which may be of a player long gone."""
        try:
            return key, game.rejoin(_session(request), key)
        except InputError:
            return "", ""

    def refresh(event: Any) -> None:
        context.bind(event, show, chosen, [table], **QUIET)

    context.bind(ask.click, leaderboard, chosen, [entries], name="leaderboard", **QUIET)
    joins, returns = [join.click, nickname.submit], [back.click, key.submit]
    joined = context.bind(joins, leaderboard_join, [nickname], [key], name="leaderboard_join", **QUIET)
    back_again = context.bind(returns, leaderboard_return, [key], [said], name="leaderboard_return", **QUIET)
    silently = context.bind(returned.click, come_back, [key], [key, said], js=_KEY, **QUIET)
    for event, inputs in ((joined, [key, nickname]), (back_again, [key, said]), (silently, [key, said])):
        run_script(event.success, _JOINED, inputs)
        refresh(event.success)
    left = context.bind(leave.click, leaderboard_leave, [], [said], name="leaderboard_leave", **QUIET)
    run_script(left.success, _LEFT, None, [key])
    refresh(left.success)
    refresh([accordion.expand, chosen[0].input, chosen[1].input])
    return refresh


def _modes(names: Any) -> list[tuple[str, str]]:
    return [(f"{MODES[name].title}: {ABOUT_MODES[name]}", name) for name in names]


def _title(noun: str) -> str:
    return f'<h2 id="game-title">Which {escape(noun)} is real?</h2>'


def _unplayable(reason: str) -> str:
    return _title("picture") + controls.note(reason)


def _round(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_ID:
        raise InputError(wording.ROUND_OVER)
    return value


def _choice(value: Any) -> str:
    known = (*LETTERS, *MODES["single"].choices)
    if value not in known:
        raise InputError(f"Choose one of: {', '.join(known)}.")
    return str(value)


def _confidence(value: Any) -> str | None:
    if value is None or value in CONFIDENCES:
        return value
    raise InputError(f"Confidence is {', '.join(CONFIDENCES)}, or none.")


def _text(longest: int, name: str) -> checks.Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            raise InputError(f"{name} is a text of at most {longest} characters.")
        return value

    return check


_ABOUT_DIFFICULTY = (
    "Follows you: three right answers in a row make it harder, a wrong one makes it easier. Easy shows any generated "
    f"picture, normal the best of {DIFFICULTIES['normal'].of}, hard the best of {DIFFICULTIES['hard'].of}, by the "
    "opinion of the model's own critic and of a detector of mistakes; and all pictures are mottled where flat "
    "backgrounds would tell real ones."
)
_KEYS = (
    '<details id="game-keys"><summary>Keys</summary>'
    f"{controls.table(KEYS, ('Key', 'What it does'))}"
    '<label><input type="checkbox" id="game-keys-on" checked> Keys work on this page</label></details>'
)
_QUESTION = """
<div id="game-play">
  <h3 id="game-question" tabindex="-1"></h3>
  <div id="game-score"></div>
  <div id="game-clock"><span id="game-seconds"></span><i></i></div>
  <div id="game-said" role="status" aria-live="polite"></div>
</div>
"""
_VERDICT = """
<div id="game-verdict">
  <p id="game-banner"><span aria-hidden="true"></span> <strong></strong></p>
  <p id="game-note"></p><p id="game-critic"></p><p id="game-fooled"></p><p id="game-tip"></p>
</div>
"""
