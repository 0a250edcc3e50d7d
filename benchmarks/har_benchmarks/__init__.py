"""Measuring: what a model costs on this machine and what it is worth.

`plan` says what is measured, in which order and what was done so far; `execute` does it by jobs,
each a process that runs `execute.worker`; `tasks` are what such a process can do, and the records
that both sides share. `results` makes one document of the raw samples (`build`), reads it as a
table of typed rows (`table`), and judges it (`stability`, `recommend`, `compare`); `render` lays
that table out as text, Markdown, a page and plots. `peers` runs other tools on the same frames,
`experiments` answer single questions, and `commands` is `har-bench`.
"""
