"""What all pictures share: the style, colours of actions, legends, and files as bytes.

A picture is drawn by the object interface of matplotlib, without a window system. The same figure
gives the same bytes: ids are salted, and nothing is dated. What the user's matplotlibrc says does
not matter.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pomdptool.errors import PomdpError
from pomdptool.printable import printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from numpy.typing import ArrayLike

PictureKind = Literal["svg", "png", "pdf"]

PICTURE_KINDS: dict[str, PictureKind] = {".svg": "svg", ".png": "png", ".pdf": "pdf"}

PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#888888")
"""Colours that the colour-blind tell apart too (Tol, "bright")."""

HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oooo")
"""Patterns that tell more actions apart than there are colours."""

INK = "#222222"
FAINT = "#999999"

DPI = 150
MAX_PIXELS = 20_000
"""Longest side of a bitmap; larger figures are drawn coarser."""

MOST = 1e100
"""Largest number on an axis; matplotlib squares some."""

MAX_NAME = 28
"""Characters of a name that are shown."""

MAX_TITLE = 72

_STYLE: Any = {
    "svg.hashsalt": "pomdptool",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "hatch.linewidth": 0.6,
    "hatch.color": "white",
    "legend.frameon": False,
}

_UNDATED: dict[PictureKind, dict[str, None]] = {
    "svg": {"Date": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of all pictures, whatever the user's matplotlibrc says.

    Raises
    ------
    PomdpError
        Where matplotlib is not installed.
    """
    mpl = _matplotlib()
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def render(draw: Callable[[], Figure], kind: PictureKind) -> bytes:
    """Bytes of the figure that `draw` makes; raises as `styled`."""
    stream = io.BytesIO()
    with styled():
        figure = draw()
        dpi = min(DPI, MAX_PIXELS / max(figure.get_size_inches()))
        figure.savefig(stream, format=kind, dpi=dpi, metadata=_UNDATED[kind])
    return stream.getvalue()


def _matplotlib() -> Any:
    """Import matplotlib as if the user had set nothing: a wrong backend there is an error."""
    ours = {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # such as of a cache without a place
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        raise PomdpError(
            "pictures are drawn by matplotlib, which is not installed: "
            "pip install 'pomdptool[plot]'"
        ) from None
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value
    return mpl


def check_drawable(what: str, numbers: ArrayLike) -> None:
    """Refuse numbers that axes cannot show.

    Raises
    ------
    PomdpError
        It names what is too large.
    """
    largest = float(np.abs(numbers).max(initial=0.0))
    if not largest <= MOST:
        raise PomdpError(f"{what} of {largest:.3g} cannot be drawn: more than {MOST:g}")


def new_figure(width: float, height: float, *, placed: bool = False) -> Figure:
    """An empty figure, in inches; unless they are placed, its parts find their places."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=None if placed else "constrained")


def elided(name: str, most: int = MAX_NAME, mark: str = "…") -> str:
    """A name of at most so many characters, its middle left out; escaped where it must be."""
    name = printable(name)
    if len(name) <= most:
        return name
    kept = most - len(mark)
    return name[: kept - kept // 2] + mark + name[len(name) - kept // 2 :]


def color(k: int) -> str:
    """Colour of action k."""
    return PALETTE[k % len(PALETTE)]


def hatch(k: int) -> str:
    """Pattern of action k, over its colour."""
    return HATCHES[k // len(PALETTE) % len(HATCHES)]


def tint(shade: str, strength: float) -> tuple[float, float, float]:
    """A colour mixed with white; strength 1 leaves it as it is."""
    from matplotlib.colors import to_rgb

    r, g, b = (1.0 - strength * (1.0 - part) for part in to_rgb(shade))
    return r, g, b


def text(ax: Axes, x: float, y: float, words: str, **options: Any) -> None:
    """Write words as they are: a dollar sign begins no formula."""
    ax.text(x, y, words, parse_math=False, **options)


def title(ax: Axes, words: str) -> None:
    """Write the title of a picture."""
    ax.set_title(elided(words, MAX_TITLE), loc="left", parse_math=False)


def axis_labels(ax: Axes, x: str, y: str) -> None:
    """Name both axes."""
    ax.set_xlabel(x, parse_math=False)
    ax.set_ylabel(y)


def whole_numbers(ax: Axes) -> None:
    """Mark the horizontal axis at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend(figure: Figure, entries: Iterable[tuple[Artist, str]], heading: str) -> None:
    """Write a legend beside the picture, in columns where there is much of it."""
    handles, names = _parted(entries)
    made = figure.legend(
        handles,
        [" "] * len(handles),
        loc="outside right upper",
        title=heading,
        ncols=-(-len(handles) // 20),
        alignment="left",
        handlelength=1.4,
        handleheight=1.0,
    )
    _name(made, names)


def _parted(entries: Iterable[tuple[Artist, str]]) -> tuple[list[Artist], list[str]]:
    pairs = list(entries)
    return [handle for handle, _ in pairs], [name for _, name in pairs]


def _name(made: Legend, names: Sequence[str]) -> None:
    """Write the names into a legend; matplotlib itself would read `_` and `$` in them."""
    for shown, name in zip(made.get_texts(), names, strict=True):
        shown.set_parse_math(False)
        shown.set_text(elided(name))


def swatch(k: int) -> Artist:
    """What stands for action k in a legend."""
    from matplotlib.patches import Patch

    return Patch(facecolor=color(k), hatch=hatch(k), edgecolor="white", linewidth=0.0)


def text_width(words: str, points: float) -> float:
    """Width of a line of text, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=points)
    width: float = text_to_path.get_text_width_height_descent(words, font, ismath=False)[0]
    return width / 72.0
