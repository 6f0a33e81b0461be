"""`python -m pomdptool` is the command line."""

from pomdptool.commands.main import main

main()
