"""Measuring: what a model costs on this machine and what it is worth.

`cases` says what is measured, `plan` in which order and what was done so far, `manager` does it by
`jobs`, each a process that runs `worker`; `measure`, `accuracy` and `profile_ops` are what a worker
can do. `results` makes one document of the raw samples, `stats`, `stability` and `recommend` judge
it, `report_text`, `report_html` and `plots` lay it out. `compare`, `peers` and `collect` take such
documents further.
"""
