# A timeout is looked at once, before anything else: what compares or converts it may run Python code, which may close
# what the call is about.
from libc.stdint cimport int64_t

cdef int64_t timeout_ns(object timeout) except -2  # -1: for as long as it takes
cdef object plain_timeout(object timeout)          # None, or an int or float of the interpreter's own
