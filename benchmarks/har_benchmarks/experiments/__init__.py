"""Single questions, each with an experiment of its own: `har-bench experiment NAME`.

Every module here has one click command, `command`, which is loaded when its name is typed.
"""
