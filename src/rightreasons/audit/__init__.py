"""Audits: a model that was trained elsewhere, as a study of its own and a report to hand on.

`command` reads the command line, `study` makes a config of it, Snakemake runs that as any other,
`findings` reads the tables and says what they say, and `html` and `pdf` write the same document.
"""
