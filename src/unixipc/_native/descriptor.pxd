from cpython.ref cimport PyObject

cdef extern from *:
    """
    /* An object of this class, not yet initialised; `cls.__new__(cls)` would look that up by name. */
    static PyObject *uipc_new_object(PyObject *cls, PyObject *nothing)
    { return ((PyTypeObject *)cls)->tp_new((PyTypeObject *)cls, nothing, NULL); }
    """
    object new_object "uipc_new_object"(object, object)

cdef enum How:  # how a read or write does not wait; the flags of the open file are everybody's who has it
    GUARDED = 0   # poll(2) before it, and an alarm: see trying.h
    FLAGGED = 0
    PER_CALL = 1  # RWF_NOWAIT with every call
    COPIED = 2    # vmsplice(2) with SPLICE_F_NONBLOCK, which copies out of a FIFO: those know no RWF_NOWAIT

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
cdef ssize_t try_read(int fd, void *into, size_t n) noexcept nogil
cdef int try_accept(int fd) noexcept nogil
cdef enum:
    NO_ALARM = -2  # what a try gives when its alarm cannot be made: errno is that of timer_create(2)

ctypedef void *alarm_t "timer_t"
cdef int choose_wake_signal(int *number) noexcept nogil
cdef int create_alarm(alarm_t *alarm) noexcept nogil
cdef int set_alarm(alarm_t alarm, long long until_ns) noexcept nogil
cdef void delete_alarm(alarm_t alarm) noexcept nogil
cdef int in_main_thread() noexcept nogil
