"""The command `ipc`: see the mechanisms at work.

`main` starts it and turns errors into one line, `group` finds the verbs, and each verb is a file of its own: `demo`,
`completion`, and `tour`, which asks `trial` what a mechanism can do: a `crossing` takes the `cargo` from one process to
the other (`delivery`) the way one of the `carriers` does, and `traces` looks what is left. `render` lays out tables.
"""
