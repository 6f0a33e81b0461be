"""Cassandra's .pomdp format: reading and writing models.

`read` normalises the text, `syntax` splits it into statements (grammar: `grammars/pomdp.lark`), and
`build` makes the model: `preamble` reads everything before the first `T:`, `O:` or `R:` line,
`bulk_entries` reads single entries (`T: a : s : s' p`), `build` whole rows and matrices;
`probability_tables` assembles T and O, `reward_rules` R. `write` is the way back.
"""
