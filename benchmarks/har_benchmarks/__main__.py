"""`python -m har_benchmarks` is `har-bench`."""

from har_benchmarks.cli import main

main()
