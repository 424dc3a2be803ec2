# cython: language_level=3, binding=False, auto_pickle=False
"""mq_notify(3) that starts a thread: the C library makes it, and the function is called there. And what a semaphore's
``with`` enters and leaves by."""

cimport cython
from libc.errno cimport errno

from unixipc._call import failure

cdef extern from *:
    """
    #include <mqueue.h>
    #include <signal.h>
    #include <string.h>
    static int uipc_notify_by_thread(int queue, long token, void (*arrived)(union sigval))
    {
        struct sigevent event;
        memset(&event, 0, sizeof event);
        event.sigev_notify = SIGEV_THREAD;
        event.sigev_notify_function = arrived;
        event.sigev_value.sival_ptr = (void *)token;
        return mq_notify(queue, &event);
    }
    """
    ctypedef union sigval "union sigval":
        void *sival_ptr
    int uipc_notify_by_thread(int, long, void (*)(sigval) noexcept nogil)

cdef extern from "Python.h":
    int Py_IsInitialized() nogil

registered = {}
"""{token: (function, argument)} of what is to be called yet. The C library has a token, and no object's address: what
was forgotten in between is not called."""


cdef void arrived(sigval value) noexcept nogil:
    if Py_IsInitialized():  # a thread may start when the interpreter has ended already
        call(<long>value.sival_ptr)


cdef void call(long token) noexcept with gil:
    """What the function raises goes to `sys.unraisablehook`."""
    wanted = registered.pop(token, None)
    if wanted is not None:
        function, argument = wanted
        function(argument)


def by_thread(int queue, long token, wanted, name):
    """Have ``function(argument)``, `wanted`, called once in a new thread. -- mq_notify(3)"""
    registered[token] = wanted
    if uipc_notify_by_thread(queue, token, arrived) < 0:
        code = errno
        del registered[token]
        raise failure(code, "mq_notify(3)", name)


@cython.binding(True)
def entered(self):
    """`__enter__`: acquires. Compiled: no signal handler comes between acquiring and the block."""
    try:
        self._handle.acquire(None)
    except BaseException as error:
        self._looking.__exit__(type(error), error, None)
        raise
    return self


@cython.binding(True)
def left(self, *exception):
    """`__exit__`: releases."""
    try:
        self._handle.release()
    except BaseException as error:
        self._looking.__exit__(type(error), error, None)
        raise
