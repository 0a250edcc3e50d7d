"""`python -m har_benchmarks` is `har-bench`."""

from har_benchmarks.commands.main import main

main()
