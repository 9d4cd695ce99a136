"""The browser app: its page of tabs, and the server that shows it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.web.files import sweep, temporary_folder
from app.web.hosts import LOOPBACK, hosts_of, on_a_space
from app.web.models import Models
from app.web.options import Serve
from stylegrow.common.errors import InputError
from stylegrow.common.text import printable

if TYPE_CHECKING:
    import gradio as gr

    from app.web.gate import Rules
    from app.web.live import Page

STATIC = Path(__file__).parent / "static"
GAME_STATIC = Path(__file__).parents[1] / "game" / "static"
FIRST_PORT, PORTS = 7860, 100
DELETE_CACHE = (1800, 7200)  # look every half hour for files of two hours ago
FRAMES_ON_CPU, FRAMES_ON_GPU = 240, 1200
LONGEST_QUEUE = 32
LONGEST_START = 120.0  # seconds
SESSIONS = 256  # of which Gradio remembers what is theirs, at some 0.4 MB each; a call over HTTP is one
LONGEST_AUTH = 1000
AUTH = "STYLEGROW_AUTH"  # an environment variable: user:password


def serve(options: Serve) -> None:
    """Load the first model and serve until interrupted. InputError or zoo.ModelError for what cannot be used."""
    auth = read_auth(options)
    _check(options)
    models = Models(options.model, options.models_dir, options.device, options.max_batch, options.dtype)
    if models.first is not None:
        models.sampler(models.first)  # now, so that what is wrong with it shows here
    with _files() as files:
        demo = build_app(models, options, files)
        url = launch(demo, options, auth)
        print(f"Stylegrow is at {url} (Ctrl-C stops it)", flush=True)
        if options.host not in LOOPBACK and auth is None:
            print(
                f"warning: anyone who reaches {options.host} can use it; --auth-file FILE asks for a password",
                file=sys.stderr,
            )
        if options.share and auth is None:
            print(
                "warning: anyone with the public address can use it; --auth-file FILE asks for a password",
                file=sys.stderr,
            )
        try:
            demo.block_thread()
        finally:
            demo.close(verbose=False)


def build_app(models: Models, options: Serve, files: Path) -> Page:
    """The page, not yet served. `files` is the folder for what is made, in which Gradio may serve (GRADIO_TEMP_DIR)."""
    import gradio as gr

    from app.web import checks
    from app.web.context import Context, Limits
    from app.web.live import Page
    from app.web.pages import PAGES, header, links

    frames = FRAMES_ON_CPU if models.device() == "cpu" else FRAMES_ON_GPU
    context = Context(
        models=models,
        limits=Limits(frames=options.max_frames or frames),
        files=files,
        runs=Path(options.runs),
        reals=Path(options.real_images) if options.real_images else None,
        leaderboard=Path(options.leaderboard) if options.leaderboard else None,
    )
    with Page(context.live, title="Stylegrow", analytics_enabled=False, delete_cache=DELETE_CACHE) as demo:
        with gr.Column(elem_classes="unseen") as context.unseen:
            pass
        badge = header.build(context)
        context.here = context.checked(
            gr.Textbox("", label="Tab", visible="hidden"), checks.one_of(["", *(page.ID for page in PAGES)], "Tab")
        )
        with gr.Tabs(elem_id="tabs") as context.tabs:
            finishes = [page.build(context) for page in PAGES]
        links.connect(context, demo, badge)
        for finish in finishes:
            if finish is not None:
                finish()
    return demo


def launch(demo: Page, options: Serve, auth: tuple[str, str] | None = None, **more: Any) -> str:
    """Start serving in the background; returns the address. InputError when the port is in use."""
    from starlette.middleware import Middleware

    from app.web import error_handlers
    from app.web.discretion import Discretion
    from app.web.gate import Rules
    from app.web.login import Login

    def owns(session: str, job: str) -> bool:
        found = demo._queue.event_ids_to_events.get(job)
        return found is None or found.session_hash == session

    root = options.root_path or ""
    rules = Rules(
        hosts=hosts_of(options.host, options.allowed_hosts, options.share),
        owns=owns,
        login=Login(*auth, root=root) if auth else None,
        behind_proxy=options.behind_proxy or on_a_space(),
        root=root,
    )

    for key in ("NO_PROXY", "no_proxy"):  # Gradio looks whether it can reach itself, which a proxy cannot
        os.environ[key] = ",".join(filter(None, [os.environ.get(key), "127.0.0.1,localhost"]))
    error_handlers.quiet_log()
    demo.queue(max_size=LONGEST_QUEUE, api_open=False)  # else programs could go past the line, and the validators
    try:
        with _gated(rules):
            _, local, public = demo.launch(
                server_name=options.host,
                server_port=options.port,
                share=options.share,
                inbrowser=options.open,
                root_path=options.root_path,
                prevent_thread_lock=True,
                show_error=True,
                quiet=True,
                ssr_mode=False,
                state_session_capacity=SESSIONS,
                run_history=False,
                enable_monitoring=False,
                max_file_size="10mb",
                app_kwargs={
                    "routes": [demo.live.route],
                    "exception_handlers": error_handlers.HANDLERS,
                    "middleware": [Middleware(Discretion, files=Path(os.environ["GRADIO_TEMP_DIR"]).absolute())],
                },
                footer_links=["api"],
                theme=_theme(),
                css_paths=[STATIC / "style.css", GAME_STATIC / "game.css"],
                head_paths=[STATIC / "head.html", GAME_STATIC / "game.html"],
                **more,
            )
    except OSError as error:
        if "Cannot find empty port" not in str(error):
            raise
        where = f"--port {options.port}" if options.port else f"ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1}"
        raise InputError(f"{where}: in use at {options.host}, or not allowed; give another --port") from error
    rules.starting = False
    return str(public or local)


@contextlib.contextmanager
def _gated(rules: Rules) -> Iterator[None]:
    """Has Gradio serve through our gate, and tell a server that is slow to start from one whose port is in use.

    It takes whatever does not run after 5 s, as on a busy machine, for the latter.
    """
    from gradio import http_server
    from gradio.exceptions import ServerFailedToStartError

    from app.web.gate import Gate

    class Gated(http_server.Server):
        def __init__(self, config: Any, *more: Any, **named: Any) -> None:
            super().__init__(config, *more, **named)
            config.app = Gate(config.app, rules)
            config.proxy_headers = False  # the gate knows whom to believe

        def run_in_thread(self) -> None:
            self.thread = threading.Thread(target=self.run, daemon=True)
            self.thread.start()
            latest = time.monotonic() + LONGEST_START
            while not self.started:
                if not self.thread.is_alive() or time.monotonic() > latest:
                    self.should_exit = True
                    raise ServerFailedToStartError("it ended")
                time.sleep(1e-3)

    usual, http_server.Server = http_server.Server, Gated  # type: ignore[misc]
    try:
        yield
    finally:
        http_server.Server = usual  # type: ignore[misc]


def _theme() -> gr.themes.Base:
    """Gradio's own, with the fonts that are there and enough contrast on its buttons."""
    import gradio as gr

    theme = gr.themes.Default(
        primary_hue="indigo",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return theme.set(
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        # Boxes and circles that are not ticked must be seen too.
        checkbox_border_color="*neutral_500",
        checkbox_border_color_hover="*neutral_600",
        checkbox_border_color_dark="*neutral_400",
        checkbox_border_color_hover_dark="*neutral_300",
    )


@contextlib.contextmanager
def _files() -> Iterator[Path]:
    """The folder for what is made, in which Gradio serves (GRADIO_TEMP_DIR) while the context lasts."""
    given = os.environ.get("GRADIO_TEMP_DIR")
    ending = threading.Event()
    with temporary_folder(given) as folder:

        def sweeping() -> None:
            every, age = DELETE_CACHE
            while not ending.wait(every):
                sweep(folder, age)

        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        threading.Thread(target=sweeping, daemon=True).start()
        try:
            yield folder
        finally:
            ending.set()
            del os.environ["GRADIO_TEMP_DIR"]
            if given is not None:
                os.environ["GRADIO_TEMP_DIR"] = given


def read_auth(options: Serve) -> tuple[str, str] | None:
    """The user and the password, None for none: of --auth, --auth-file or the environment. InputError."""
    if options.auth is not None and options.auth_file is not None:
        raise InputError("--auth, --auth-file: give one of them")
    where, text = "--auth", options.auth
    if options.auth_file is not None:
        where = f"--auth-file {printable(options.auth_file)}"
        try:
            with Path(options.auth_file).open(encoding="utf-8") as file:
                text = file.readline(LONGEST_AUTH).strip()
        except (OSError, ValueError) as error:
            raise InputError(f"{where}: cannot be read ({getattr(error, 'strerror', None) or 'no text'})") from None
    elif text is None and AUTH in os.environ:
        where, text = AUTH, os.environ[AUTH]
    if text is None:
        return None
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise InputError(f"{where}: write it as user:password, both not empty")
    return user, password


def _check(options: Serve) -> None:
    from stylegrow.data.sources import NAMES

    for name, value, least, most in (
        ("--port", options.port, 1, 65535),
        ("--max-batch", options.max_batch, 1, 4096),
        ("--max-frames", options.max_frames, 2, 20_000),
    ):
        if value is not None and not least <= value <= most:
            raise InputError(f"{name} {value}: give a whole number from {least} to {most:,}")
    if options.real_images is not None and options.real_images not in NAMES and not Path(options.real_images).is_dir():
        raise InputError(f"--real-images {printable(options.real_images)}: is no folder; give one of pictures")
