"""Limits of what is read: files may come from anybody, and a few bytes can declare a huge model."""

from __future__ import annotations

MAX_BYTES = 1 << 31
"""Largest file that is read, also after decompression."""

MAX_NAMES = 1 << 22
"""Largest number of states, of actions, and of observations that a file may declare."""

MAX_ROWS = 1 << 24
"""Largest product of the numbers of actions and states."""

MAX_ENTRIES = 1 << 25
"""Largest number of entries of a table that are not 0."""

MAX_STEPS = MAX_BYTES // 8
"""Largest number of rows of a data file, and of the steps that they stand for."""

MAX_ROW = 1 << 20
"""Longest row of a text file of data, in bytes."""

MAX_FINDINGS = 100
"""A reader stops collecting errors after this many."""

MAX_HINTS = 20
"""Number of errors after which no similar name is looked for: each search may take 10 ms."""
