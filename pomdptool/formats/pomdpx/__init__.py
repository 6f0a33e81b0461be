"""The .pomdpx format of APPL: XML of factored models to a Model."""
