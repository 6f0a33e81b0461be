"""Analysis: what policies earn, from their model or in another one, and how far models differ."""
