"""The command line. Each subcommand is a module of its own, which is imported when it is called."""
