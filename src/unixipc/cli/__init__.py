"""The command `ipc`: see the mechanisms at work.

`main` starts it and turns errors into one line, `group` finds the verbs, and each verb is a file of its own. Addresses
are read in `addresses` (`words` has the other types of arguments), `things` knows what they stand for. `send` cuts its
input (`cutting`) and hands it to one of `outgoing`, `recv` asks one of `incoming`; `rings` are the channels that end
with their users, `meter` counts. `ipcs` has its columns in `ipcs_text`, `lock` and `sem` start commands by `running`.

`tour` asks `trial` what a mechanism can do: a `crossing` takes the `cargo` from one process to the other (`delivery`)
the way one of the `carriers` does, and `traces` looks what is left. `render` lays out tables.
"""
