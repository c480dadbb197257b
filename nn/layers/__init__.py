"""The modules, one file for each family."""
