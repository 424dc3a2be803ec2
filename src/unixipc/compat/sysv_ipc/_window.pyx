# cython: language_level=3, binding=False, auto_pickle=False
"""A buffer whose bytes are another object's, which may change: a Python class cannot be a buffer before Python 3.12.
And what a semaphore's ``with`` enters and leaves by."""

cimport cython
from cpython.buffer cimport Py_buffer, PyObject_GetBuffer
from libc.errno cimport EAGAIN

from unixipc.compat.sysv_ipc._errors import busy


# collector: it owns nothing; a view that is out holds what it shows, and not us.
cdef class Window:
    """Who asks for this buffer gets that of `_shown`, and holds that, not us."""

    cdef public object _shown    # None: nothing

    def __cinit__(self, *args, **kwargs):
        pass

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyObject_GetBuffer(self._mapped("look"), view, flags)

    def __releasebuffer__(self, Py_buffer *view):
        """Never called: the view is the other object's. But numpy holds no buffer of what has no such method."""

    def _mapped(self, doing):
        """What is shown; a class derived from this raises here what it calls nothing."""
        if self._shown is None:
            raise BufferError(f"cannot {doing}: nothing is shown")
        return self._shown


@cython.binding(True)
def entered(self):
    """`__enter__`: acquires. Compiled: no signal handler comes between acquiring and the block."""
    if not operate(self, -1, self._block):
        raise busy(f"not possible now on semaphore {self._handle.name}", EAGAIN)
    return self


@cython.binding(True)
def left(self, *exception):
    """`__exit__`: releases."""
    operate(self, 1, True)


cdef bint operate(semaphore, int change, bint wait) except -1:
    try:
        if not wait:
            return semaphore._handle.try_op((0, change), undo=semaphore._undo)
        semaphore._handle.op((0, change), undo=semaphore._undo)
    except BaseException as error:
        semaphore._looking.__exit__(type(error), error, None)
        raise
    return True
