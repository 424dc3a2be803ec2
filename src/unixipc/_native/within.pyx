# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""What a ``with`` enters and leaves by. Compiled: no signal handler comes between taking and owning.

Python runs its signal handlers between two steps of Python code, and where a sleeping call asks for it. Compiled code
has no such steps: a handler that raises, as that of Ctrl-C does, comes before it or after it. So what is taken here is
noted here, and what Python code may have left half done is done again.
"""



cdef int close_surely(thing) except -1:
    """Close it; once more if a handler's exception has come before it was closed: closing twice is fine."""
    try:
        thing.close()
    except BufferError:
        raise
    except BaseException:
        if not getattr(thing, "closed", True):
            thing.close()
        raise
    return 0


cdef class Closes:
    """For ``with``: it is checked to be open at the start and closed at the end. For classes in Python."""

    def __enter__(self):
        self.check_open()
        return self

    def __exit__(self, kind, error, where):
        close_surely(self)

    def check_open(self):
        """Nothing to check, unless a class knows better."""


cdef class Held:
    """For ``with``: what `take` takes is ours until `give` gives it back. Both are compiled, or have no steps."""

    cdef object take, give, result

    @classmethod
    def __class_getitem__(cls, result):
        return cls

    def __init__(self, take, give, result=None):
        self.take, self.give, self.result = take, give, result

    def __enter__(self):
        self.take()
        return self.result

    def __exit__(self, kind, error, where):
        self.give()


cdef class Lent:
    """For ``with``: the bytes of a buffer. Released afterwards, so that nobody keeps them by mistake."""

    cdef object memory, view
    cdef bint readonly
    cdef Py_ssize_t start

    def __init__(self, memory, bint readonly, Py_ssize_t start=0):
        self.memory, self.readonly, self.start = memory, readonly, start

    def __enter__(self):
        view = memoryview(self.memory)[self.start:]
        self.view = view.toreadonly() if self.readonly else view
        return self.view

    def __exit__(self, kind, error, where):
        self.view.release()


cdef class Together:
    """For ``with``: several, entered in this order and left in the other; gives what the last one gives."""

    cdef tuple parts
    cdef Py_ssize_t entered

    def __init__(self, *parts):
        self.parts = parts

    def __enter__(self):
        try:
            for part in self.parts:
                result = part.__enter__()
                self.entered += 1
        except BaseException as error:
            self.leave((type(error), error, None))
            raise
        return result

    def __exit__(self, *exception):
        self.leave(exception)

    cdef int leave(self, tuple exception) except -1:
        if not self.entered:
            return 0
        self.entered -= 1
        try:
            self.parts[self.entered].__exit__(*exception)
        finally:
            self.leave(exception)
        return 0
