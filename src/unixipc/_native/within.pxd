cdef int close_surely(thing) except -1
