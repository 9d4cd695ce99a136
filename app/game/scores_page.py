"""The game's numbers as tables, and as values for JSON."""

from collections.abc import Sequence
from html import escape
from typing import Any

from app.game.leaderboard import LEAST_ROUNDS, Entry
from app.game.statistics import PUBLISHED, Share, Summary
from app.web.pages import controls

CONFIDENCE_TEXTS = {"sure": "when sure", "think": "when thinking so", "guess": "when guessing"}
NO_BIAS = 0.1


def statistics(summary: Summary) -> str:
    """What a visitor has played, with bars for what is counted apart."""
    if not summary.all.n:
        played = f", but {summary.abandoned} skipped" if summary.abandoned else ""
        return f'<p class="hint">No answers yet{played}. What you play in this tab is counted here.</p>'
    rows = [("All", _bar(summary.all, summary.chance))]
    rows += [(CONFIDENCE_TEXTS[name], _bar(share, summary.chance)) for name, share in summary.by_confidence.items()]
    if len(summary.by_difficulty) > 1:
        rows += [(f"when {name}", _bar(share, summary.chance)) for name, share in summary.by_difficulty.items()]
    bars = "".join(f"<tr><th scope='row'>{escape(name)}</th>{cells}</tr>" for name, cells in rows)
    return (
        f"<p class='game-words'><strong>{escape(summary.words)}</strong></p>"
        f"<table class='list bars'><caption>Right answers; the line is guessing ({_percent(summary.chance or 0)}), "
        f"the pale part where the truth lies with 95 %</caption>{bars}</table>"
        f"{controls.table(_numbers(summary))}<p class='hint'>{escape(PUBLISHED)}</p>"
    )


def facts(summary: Summary) -> dict[str, Any]:
    """The same for programs."""
    known = {name: value for name, value in vars(summary).items() if name != "all"}
    by_confidence = {name: _share(share) for name, share in summary.by_confidence.items()}
    by_difficulty = {name: _share(share) for name, share in summary.by_difficulty.items()}
    return known | _share(summary.all) | {"by_confidence": by_confidence, "by_difficulty": by_difficulty}


def board(top: Sequence[Entry], own: Entry | None, title: str) -> str:
    """A board of the leaderboard, and the visitor's own line."""
    rows = [_cells(str(rank), entry) for rank, entry in enumerate(top, 1)]
    if own is not None:
        rows.append(_cells("you", own))
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("Rank", "Nickname", "Right", "Rounds", "Surely above"))
    listed = f"<table class='list'><tr>{head}</tr>{''.join(rows)}</table>" if rows else ""
    empty = "" if top else f"<p class='hint'>Nobody has played {LEAST_ROUNDS} rounds of this yet.</p>"
    return f"<p class='hint'>{escape(title)}</p>{listed}{empty}"


def line(entry: Entry) -> dict[str, Any]:
    """An entry for programs."""
    return vars(entry) | {"bound": entry.bound}


def _numbers(summary: Summary) -> list[tuple[str, str]]:
    rows = [
        ("Streak", f"{summary.streak} now, {summary.best_streak} at best"),
        ("Time for an answer", f"{summary.median_seconds:.1f} s (median)"),
        ("Skipped", str(summary.abandoned)),
        ("By guessing as good or better", f"{_percent(summary.p or 0, 1)} of the cases"),
    ]
    if summary.dprime is not None and summary.bias is not None:
        leaning = "generated" if summary.bias > 0 else "real"
        leans = f"you lean towards “{leaning}”" if abs(summary.bias) > NO_BIAS else "you lean towards neither answer"
        rows.append(("Single pictures", f"d′ {summary.dprime:.2f}, bias {summary.bias:+.2f}: {leans}"))
    return rows


def _bar(share: Share, chance: float | None) -> str:
    low, high = share.interval
    return (
        f"<td class='bar' aria-hidden='true'><i style='left:{low:.1%};width:{high - low:.1%}'></i>"
        f"<b style='width:{share.accuracy:.1%}'></b><u style='left:{chance or 0:.1%}'></u></td>"
        f"<td><strong>{_percent(share.accuracy)}</strong> <span class='of'>{share.right} of {share.n}, "
        f"surely {_percent(low)} to {_percent(high)}</span></td>"
    )


def _share(share: Share) -> dict[str, Any]:
    return {"n": share.n, "right": share.right, "accuracy": share.accuracy, "interval": share.interval}


def _cells(rank: str, entry: Entry) -> str:
    share = entry.correct / entry.rounds if entry.rounds else 0.0
    cells = (rank, entry.name, _percent(share), str(entry.rounds), _percent(entry.bound))
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"
