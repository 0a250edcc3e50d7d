"""`python -m har_convert` is `har-convert`."""

from har_convert.commands import main

main()
