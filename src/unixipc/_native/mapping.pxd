# Memory that other modules have mapped: what a shortened file takes away becomes zeros instead of a SIGBUS.
cdef void *guard_memory(void *base, size_t length) except NULL
cdef void unguard_memory(void *guard) noexcept
