"""The screen of `ipc watch`.

`looking` takes looks at the machine in a thread, `changes` tells what two of them say together, `tables` makes lines
of that; `app` shows them: `sheet` (a table that scrolls), `details` (of the chosen line), `asking` (help, kinds).
"""
