"""Style, colours, legends and rendering of all figures.

Figures use matplotlib's object interface, without a window system. Equal figures give equal bytes:
ids are salted, dates omitted, and the user's matplotlibrc is ignored.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pomdptool.errors import PomdpError
from pomdptool.printable import printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

ImageFormat = Literal["svg", "png", "pdf"]

IMAGE_FORMATS: dict[str, ImageFormat] = {".svg": "svg", ".png": "png", ".pdf": "pdf"}

PALETTE = ("#0072b2", "#e69f00", "#cc79a7", "#56b4e9", "#009e73", "#d55e00", "#888888")
"""Colour-blind safe colours (Okabe and Ito 2008); red and green are not the first ones."""

HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oooo")
"""Patterns that distinguish more actions than there are colours."""

INK = "#222222"
MUTED = "#555555"
FAINT = "#999999"

DPI = 150
MAX_PIXELS = 20_000
"""Longest side of a bitmap; larger figures get a lower resolution."""

MAX_NUMBER = 1e100
"""Largest number on an axis; matplotlib squares some."""

MAX_NAME = 28
"""Maximum number of characters of a name that are shown."""

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

_UNDATED: dict[ImageFormat, dict[str, None]] = {
    "svg": {"Date": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw in the package's style, whatever the user's matplotlibrc says.

    Raises PomdpError if matplotlib is not installed.
    """
    mpl = _matplotlib()
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def render(draw: Callable[[], Figure], image_format: ImageFormat) -> bytes:
    """Image file of the figure that `draw` returns; raises as `styled`."""
    stream = io.BytesIO()
    with styled():
        figure = draw()
        dpi = min(DPI, MAX_PIXELS / max(figure.get_size_inches()))
        figure.savefig(stream, format=image_format, dpi=dpi, metadata=_UNDATED[image_format])
    return stream.getvalue()


def _matplotlib() -> Any:
    """Import matplotlib without the user's settings: an invalid backend would be an error."""
    ours = {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # such as a missing cache folder
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        raise PomdpError(
            "plotting requires matplotlib, which is not installed: pip install 'pomdptool[plot]'"
        ) from None
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value
    return mpl


def check_drawable(quantity: str, numbers: ArrayLike) -> None:
    """Check that numbers are not too large to be drawn.

    Raises PomdpError with the quantity and the largest number.
    """
    largest = float(np.abs(numbers).max(initial=0.0))
    if not largest <= MAX_NUMBER:
        raise PomdpError(f"{quantity} of {largest:.3g} cannot be drawn: more than {MAX_NUMBER:g}")


def new_figure(width: float, height: float, *, manual: bool = False) -> Figure:
    """An empty figure, in inches; with constrained layout unless `manual`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=None if manual else "constrained")


def elided(name: str, max_length: int = MAX_NAME, mark: str = "…") -> str:
    """A printable name, shortened in the middle if too long."""
    name = printable(name)
    if len(name) <= max_length:
        return name
    kept = max_length - len(mark)
    return name[: kept - kept // 2] + mark + name[len(name) - kept // 2 :]


def color(k: int) -> str:
    """Colour of action k."""
    return PALETTE[k % len(PALETTE)]


def hatch(k: int) -> str:
    """Pattern of action k, over its colour."""
    return HATCHES[k // len(PALETTE) % len(HATCHES)]


def tint(shade: str, strength: float) -> tuple[float, float, float]:
    """Mix a colour with white; strength 1 is the colour itself."""
    from matplotlib.colors import to_rgb

    r, g, b = (1.0 - strength * (1.0 - part) for part in to_rgb(shade))
    return r, g, b


def text(ax: Axes, x: float, y: float, words: str, **options: Any) -> None:
    """Write text literally: a dollar sign does not begin a formula."""
    ax.text(x, y, words, parse_math=False, **options)


def title(ax: Axes, words: str) -> None:
    """Write the title."""
    ax.set_title(elided(words, MAX_TITLE), loc="left", parse_math=False)


def note(ax: Axes, words: str) -> None:
    """Write a line in small letters between the title and the axes; call after `title`."""
    if not words:
        return
    ax.set_title(ax.get_title(loc="left"), loc="left", pad=18.0, parse_math=False)
    ax.annotate(
        words,
        (0.0, 1.0),
        (0.0, 5.0),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=7.5,
        color=MUTED,
    )


def axis_labels(ax: Axes, x: str, y: str) -> None:
    """Name both axes."""
    ax.set_xlabel(x, parse_math=False)
    ax.set_ylabel(y)


def whole_numbers(ax: Axes) -> None:
    """Ticks of the horizontal axis at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend(figure: Figure, entries: Iterable[tuple[Artist, str]], heading: str) -> None:
    """Write a legend beside the axes, in columns of up to 20 entries."""
    handles, names = zip(*entries, strict=True)
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
    # matplotlib would interpret `_` and `$` in names passed to `legend`
    for shown, name in zip(made.get_texts(), names, strict=True):
        shown.set_parse_math(False)
        shown.set_text(elided(name))


def swatch(k: int) -> Artist:
    """Legend entry of action k."""
    from matplotlib.patches import Patch

    return Patch(facecolor=color(k), hatch=hatch(k), edgecolor="white", linewidth=0.0)


def text_width(words: str, points: float) -> float:
    """Width of a line of text, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=points)
    width: float = text_to_path.get_text_width_height_descent(words, font, ismath=False)[0]
    return width / 72.0
