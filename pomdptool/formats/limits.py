"""Limits for readers: files may be untrusted, and a few bytes can declare a huge model."""

from __future__ import annotations

MAX_BYTES = 1 << 31
"""Largest size of a file, also after decompression."""

MAX_NAMES = 1 << 22
"""Largest number of states, of actions, and of observations."""

MAX_ROWS = 1 << 24
"""Largest product of the numbers of actions and states."""

MAX_ENTRIES = 1 << 25
"""Largest number of nonzero entries of a table."""

MAX_STEPS = MAX_BYTES // 8
"""Largest number of rows of a data file, and of steps after expanding them."""

MAX_ROW = 1 << 20
"""Longest row of a text file of data, in bytes."""

MAX_FINDINGS = 100
"""Largest number of errors that a reader reports."""

MAX_HINTS = 20
"""Largest number of errors with a hint (a similar name): each search may take 10 ms."""

MAX_LISTED = 8
"""Maximum number of names that a message lists."""
