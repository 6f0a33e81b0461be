"""Reads POMDPX, the XML format of APPL for factored models, into a flat Model."""
