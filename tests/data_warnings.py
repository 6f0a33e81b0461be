"""Data files read with their warnings."""

from __future__ import annotations

import io
import warnings
from typing import Any

from pomdptool.episodes import NONE, Episodes
from pomdptool.formats.data.read import read_episodes


def read(text: str | bytes, **options: Any) -> tuple[Episodes, list[str]]:
    """Episodes, and the warnings without the name of the file."""
    data = text.encode() if isinstance(text, str) else text
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        episodes = read_episodes(io.BytesIO(data), **options)
    return episodes, [str(one.message).removeprefix("<data>: ") for one in caught]


def names(episodes: Episodes) -> list[str | None]:
    return [None if o == NONE else episodes.observation_names[o] for o in episodes.observations]


def parquet_of(**columns: Any) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    stream = io.BytesIO()
    parquet.write_table(pa.table(columns), stream)
    return stream.getvalue()
