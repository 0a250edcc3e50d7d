"""`python -m har_edge` is `har-edge`."""

from har_edge.commands.main import main

main()
