"""How fast is it, and against whom? One file a question, everybody in the same run.

``python -m bench`` asks all questions, ``python -m bench pipe_pair process`` two of them; ``--check`` exits with 1 if a
target is missed, ``--quick`` is done in less than a minute and to be believed less. Each question runs in an
interpreter of its own; ``python -m bench.pipe_pair`` asks it alone. README.md tells how it is measured.
"""
