"""The command line beyond a campaign's own commands in `cli.py`: one file a command, or a few that belong together.

Each imports what it needs when it runs; what is imported above stands in the way of `--help`.

options  -> what they share: options, and the parts that options name
outcomes -> what is done with a campaign's folder and its adapters: export, approve, reject, fork, combine
stages   -> what is done with a task alone: mine, grade, score
place    -> fetch, doctor, ledger
"""
