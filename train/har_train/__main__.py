"""`python -m har_train` is `har-train`."""

from har_train.commands.main import main

main()
