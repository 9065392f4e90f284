"""Mutation campaign: small wrong edits of the sources, one at a time, each of which some test must notice.

`python -m benchmarks.mutants` draws a seeded sample of edits over the areas of `areas.toml`, runs for each the test
files that should notice it, and prints how many were noticed. Survivors are shown with their edit. Those that change
nothing that anyone could see stand in `equivalent.toml` with the reason, and are not drawn.
"""
