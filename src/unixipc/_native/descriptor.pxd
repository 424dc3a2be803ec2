from cpython.ref cimport PyObject

cdef extern from *:
    """
    /* An object of this class, not yet initialised; `cls.__new__(cls)` would look that up by name. */
    static PyObject *uipc_new_object(PyObject *cls, PyObject *nothing)
    { return ((PyTypeObject *)cls)->tp_new((PyTypeObject *)cls, nothing, NULL); }
    """
    object new_object "uipc_new_object"(object, object)

cdef enum How:
    FLAGGED   # O_NONBLOCK is set on the open file description, which is ours alone
    PER_CALL  # RWF_NOWAIT with every call: others who hold the description are left alone

cdef class Descriptor:
    cdef int fd
    cdef object label
    cdef readonly list sleepers
    cdef How how
    cdef int users    # calls under way without the GIL
    cdef int doomed   # closed while they were: the last of them closes the number
    cdef unsigned int generation  # of the process whose calls and sleepers those are: a fork starts anew
    cdef object __weakref__

    cdef int number(self) except -1
    cdef int enter(self) except -1
    cdef void leave(self) noexcept
    cdef void forget_if_forked(self) noexcept
    cdef void fill(self, int fd, object label, How how) noexcept

cdef class ReadEnd(Descriptor):
    cdef bytes kept
    cdef object take(self, Py_ssize_t n)

cdef class WriteEnd(Descriptor):
    cdef object put(self, object data)

cdef object read_now(Descriptor end, Py_ssize_t n)
cdef object write_now(Descriptor end, object data)
cdef object filled(PyObject *data, Py_ssize_t got)
cdef object split(bytes kept, Py_ssize_t n)
cdef object refused(int code, str call, object name)
cdef object outcome(int code, str call, object name)
