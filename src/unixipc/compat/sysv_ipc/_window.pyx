# cython: language_level=3, binding=False, auto_pickle=False
"""A buffer whose bytes are another object's, which may change: a Python class cannot be a buffer before Python 3.12."""

cimport cython
from cpython.buffer cimport Py_buffer, PyObject_GetBuffer


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
