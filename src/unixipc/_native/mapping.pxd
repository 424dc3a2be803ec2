# cython: language_level=3

cdef void *guard_page(void *address) noexcept
cdef void unguard_page(void *guard) noexcept
cdef const volatile unsigned *damage_of(void *guard) noexcept
