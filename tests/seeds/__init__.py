"""Boards that are already in the field, as fakes: each does what the original firmware does, with its quirks.

    python -m tests.seeds KIND --broker HOST:PORT --state FOLDER [option ...] [--fault NAME[=N] ...]

KIND is one of `chunked`, `url`, `mesh`, `socket_pull`, `single_message`, `homie`, `thingsboard`, `aws_streams`: the module
of this name says what it is. What it runs is kept in FOLDER. Each event is one line on stdout, a JSON object; it ends on SIGTERM.

Inside a test a board is an object with `start()`, `stop()`, `power_cycle()`, `lose_connection()`, `events`, `runs` and
`writes`; `device.Faults` says what goes wrong.
"""
