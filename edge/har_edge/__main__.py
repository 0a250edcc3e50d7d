"""`python -m har_edge` is `har-edge`."""

from har_edge.cli import main

main()
