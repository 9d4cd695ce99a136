"""The tabs of the browser app, one file each, in the order in which they are shown.

Each module has `build(context)`, which is called inside gr.Blocks and makes its own gr.Tab; it may return a function,
called when all tabs are there, that connects it with others. Importing this imports Gradio.
"""

from app.game import page as game
from app.web.pages import about, directions, generate, growth, interpolation, mixing, projection, training, truncation

PAGES = (generate, mixing, directions, truncation, growth, interpolation, projection, game, training, about)
