# cython: language_level=3, boundscheck=False, wraparound=False
# cython: binding=False, auto_pickle=False, embedsignature=True, embedsignature.format=clinic
"""Unix sockets: the calls, messages with descriptors and credentials, and what the kernel knows of the peer."""

from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport PyObject
from libc.errno cimport EAGAIN, ECONNREFUSED, EINTR, EMFILE, EMSGSIZE, ENAMETOOLONG, ENODATA, ENOPROTOOPT, errno
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from unixipc._native.descriptor cimport GUARDED, NO_ALARM, Descriptor, filled, refused, split, try_accept

from unixipc._call import failure
from unixipc._native import descriptor as _descriptor
from unixipc._native.within cimport close_surely

cdef extern from "Python.h":
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *, Py_ssize_t) except NULL
    char *bytes_text "PyBytes_AS_STRING"(PyObject *) nogil
    void Py_CLEAR(PyObject *)

cdef extern from "uipc.h" nogil:
    ctypedef unsigned int socklen_t
    struct sockaddr:
        pass
    struct sockaddr_un:
        unsigned short sun_family
        char sun_path[108]
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags
    struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    struct ucred:
        int pid
        unsigned int uid
        unsigned int gid
    int c_socket "socket"(int, int, int)
    int c_socketpair "socketpair"(int, int, int, int *)
    int c_bind "bind"(int, const sockaddr *, socklen_t)
    int c_listen "listen"(int, int)
    int c_connect "connect"(int, const sockaddr *, socklen_t)
    int c_shutdown "shutdown"(int, int)
    int c_getsockname "getsockname"(int, sockaddr *, socklen_t *)
    int c_getpeername "getpeername"(int, sockaddr *, socklen_t *)
    int getsockopt(int, int, int, void *, socklen_t *)
    int setsockopt(int, int, int, const void *, socklen_t)
    ssize_t sendmsg(int, const msghdr *, int)
    ssize_t send(int, const void *, size_t, int)
    ssize_t recvmsg(int, msghdr *, int)
    ssize_t recv(int, void *, size_t, int)
    int ioctl(int, unsigned long, ...)
    int fcntl(int, int, ...)
    int close(int)
    struct uipc_stat "stat":
        long st_size
    struct rlimit:
        unsigned long rlim_cur
    int uipc_stat_of "stat"(const char *, uipc_stat *)
    int getrlimit(int, rlimit *)
    cmsghdr *CMSG_FIRSTHDR(msghdr *)
    cmsghdr *CMSG_NXTHDR(msghdr *, cmsghdr *)
    unsigned char *CMSG_DATA(cmsghdr *)
    size_t CMSG_SPACE(size_t)
    size_t CMSG_LEN(size_t)
    enum:
        AF_UNIX
        SOCK_CLOEXEC
        SOL_SOCKET
        SO_PASSCRED
        SO_PEERCRED
        SO_SNDBUF
        SO_RCVBUF
        SO_PEERSEC
        SO_ACCEPTCONN
        SO_TYPE
        SO_DOMAIN
        SCM_RIGHTS
        SCM_CREDENTIALS
        MSG_DONTWAIT
        MSG_NOSIGNAL
        MSG_CMSG_CLOEXEC
        MSG_CTRUNC
        MSG_TRUNC
        MSG_PEEK
        POLLIN
        POLLOUT
        FIONREAD
        TIOCOUTQ
        SOCK_SEQPACKET
        INT_MAX
        RLIMIT_NOFILE
        F_GETFD

cdef extern from *:
    """
    #ifndef SO_PEERGROUPS
    #define SO_PEERGROUPS 59
    #endif
    #ifndef SO_PASSPIDFD
    #define SO_PASSPIDFD 76
    #endif
    #ifndef SO_PEERPIDFD
    #define SO_PEERPIDFD 77
    #endif
    #define UIPC_SCM_PIDFD 0x04
    """
    enum:
        SO_PEERGROUPS
        SO_PASSPIDFD
        SO_PEERPIDFD
        UIPC_SCM_PIDFD

cdef enum:
    CONTROL_BYTES = 1536   # 253 descriptors, credentials, a pidfd and a security label's header
    RIGHTS_MAX = 253       # SCM_MAX_FD in the kernel

MOST_DESCRIPTORS = RIGHTS_MAX
cdef Py_ssize_t QUICK = 16384


# -- names -----------------------------------------------------------------------------------------------------

cdef socklen_t fill(sockaddr_un *address, bytes raw) except 0:
    """`raw` is a path, b"\\0name" (abstract) or b"" (the kernel chooses an abstract name)."""
    if len(raw) > 108:
        raise failure(ENAMETOOLONG, "bind(2)", raw, "a socket's name has at most 108 bytes")
    memset(address, 0, sizeof(address[0]))
    address.sun_family = AF_UNIX
    memcpy(address.sun_path, PyBytes_AS_STRING(raw), len(raw))
    # 2 = offsetof(sun_path). A path of 108 bytes needs no NUL; a shorter one takes its own along.
    return 2 + len(raw) + (1 if raw and raw[0] and len(raw) < 108 else 0)


cdef object as_raw(sockaddr_un *address, socklen_t length):
    if length <= 2:
        return b""
    raw = (<char *>address.sun_path)[:min(length - 2, 108)]
    return raw if raw[:1] == b"\0" else raw.split(b"\0", 1)[0]


def own_name(int fd, name):
    """The address this socket is bound to, raw. -- getsockname(2)"""
    cdef sockaddr_un address
    cdef socklen_t length = sizeof(address)
    if c_getsockname(fd, <sockaddr *>&address, &length) < 0:
        raise failure(errno, "getsockname(2)", name)
    return as_raw(&address, length)


def peer_name(int fd, name):
    """The address the peer is bound to, raw. -- getpeername(2)"""
    cdef sockaddr_un address
    cdef socklen_t length = sizeof(address)
    if c_getpeername(fd, <sockaddr *>&address, &length) < 0:
        raise failure(errno, "getpeername(2)", name)
    return as_raw(&address, length)


# -- making and connecting -------------------------------------------------------------------------------------

def new_socket(int kind, name=None):
    """An unbound socket, close-on-exec. -- socket(2)"""
    cdef int fd = c_socket(AF_UNIX, kind | SOCK_CLOEXEC, 0)
    if fd < 0:
        raise failure(errno, "socket(2)", name)
    return owner_of(fd, name)


def new_connection(cls, int kind, name):
    """The same as an object of class `cls`, to be connected. -- socket(2)"""
    cdef Endpoint connection = cls.__new__(cls)
    cdef int fd = c_socket(AF_UNIX, kind | SOCK_CLOEXEC, 0)
    if fd < 0:
        raise failure(errno, "socket(2)", name)
    connection.become(fd, name, kind)
    return connection


def new_pair(cls, int kind, name):
    """Two connected sockets of class `cls`, close-on-exec. -- socketpair(2)"""
    cdef int fds[2]
    cdef Endpoint a = cls.__new__(cls), b = cls.__new__(cls)
    if c_socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, fds) < 0:
        raise failure(errno, "socketpair(2)", name)
    a.become(fds[0], name, kind)
    b.become(fds[1], name, kind)
    return a, b


def bind(int fd, bytes raw, name):
    """Give the socket a name. -- bind(2)"""
    cdef sockaddr_un address
    cdef socklen_t length = fill(&address, raw)
    if c_bind(fd, <sockaddr *>&address, length) < 0:
        raise failure(errno, "bind(2)", name)


def listen(int fd, int backlog, name):
    """Let others connect. -- listen(2)"""
    if c_listen(fd, backlog) < 0:
        raise failure(errno, "listen(2)", name)


def connect_once(int fd, bytes raw, name):
    """True once connected, None for not now (non-blocking and the backlog is full). -- connect(2)"""
    cdef sockaddr_un address
    cdef socklen_t length = fill(&address, raw)
    cdef int rc, code
    with nogil:
        rc = c_connect(fd, <sockaddr *>&address, length)
        code = errno
    if rc == 0:
        return True
    if code == EAGAIN:
        return None
    if code == EINTR:
        raise InterruptedError(code, "interrupted")
    hint = None
    if code == ECONNREFUSED and raw[:1] == b"\0":
        from unixipc.sockets.address import nobody_there
        hint = nobody_there(name)
    raise failure(code, "connect(2)", name, hint)


def accept_now(Descriptor listener not None, cls, int kind):
    """The next connection, of class `cls`, close-on-exec; None for not now. -- accept(2)"""
    cdef Endpoint connection = cls.__new__(cls)
    cdef int fd = listener.enter(), number, code
    with nogil:
        number = try_accept(fd)
        code = errno
    listener.leave()
    if number >= 0:
        connection.become(number, listener.label, kind)
        return connection
    if number == NO_ALARM:
        raise failure(code, "timer_create(2)", listener.name)
    if code == EAGAIN or code == EINTR:
        return None
    raise failure(code, "accept(2)", listener.name)


def shutdown(int fd, int how, name):
    """Close one direction (0 reading, 1 writing, 2 both) for everybody who holds the socket. -- shutdown(2)"""
    if c_shutdown(fd, how) < 0:
        raise failure(errno, "shutdown(2)", name)


# -- options ---------------------------------------------------------------------------------------------------

OPTIONS = {
    "pass_credentials": SO_PASSCRED, "pass_pidfd": SO_PASSPIDFD, "send_buffer_bytes": SO_SNDBUF,
    "receive_buffer_bytes": SO_RCVBUF, "listening": SO_ACCEPTCONN, "kind": SO_TYPE, "domain": SO_DOMAIN,
}


def get_option(int fd, str option, name):
    """An int option of the socket. -- getsockopt(2)"""
    cdef int value = 0
    cdef socklen_t size = sizeof(value)
    if getsockopt(fd, SOL_SOCKET, OPTIONS[option], &value, &size) < 0:
        raise failure(errno, "getsockopt(2)", name)
    return value


def set_option(int fd, str option, int value, name):
    """Change it. -- setsockopt(2)"""
    if setsockopt(fd, SOL_SOCKET, OPTIONS[option], &value, sizeof(value)) < 0:
        raise failure(errno, "setsockopt(2)", name)


def peer_credentials(int fd, name):
    """(pid, uid, gid) of who connected, listened or made the pair, as of then. -- unix(7), SO_PEERCRED"""
    cdef ucred who
    cdef socklen_t size = sizeof(who)
    if getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0:
        raise failure(errno, "getsockopt(SO_PEERCRED)", name)
    return who.pid, who.uid, who.gid


def peer_pidfd(int fd, name):
    """A pidfd of that process, close-on-exec; None where the kernel has none to give. -- SO_PEERPIDFD"""
    cdef int pidfd = -1
    cdef socklen_t size = sizeof(pidfd)
    if getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0:
        return pidfd
    if errno in (ENOPROTOOPT, ENODATA, 3, 22):  # no such option; no peer; ESRCH and EINVAL: it was reaped
        return None
    raise failure(errno, "getsockopt(SO_PEERPIDFD)", name)


def peer_groups(int fd, name):
    """The peer's supplementary groups, as of the connection. -- unix(7), SO_PEERGROUPS"""
    cdef socklen_t size = 0
    cdef unsigned int *groups
    cdef int rc = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size)  # ERANGE, and says how much it needs
    if rc < 0 and errno in (ENOPROTOOPT, ENODATA) or size == 0:
        return ()
    groups = <unsigned int *>malloc(size)
    if groups == NULL:
        raise MemoryError()
    try:
        if getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0:
            raise failure(errno, "getsockopt(SO_PEERGROUPS)", name)
        return tuple([groups[i] for i in range(size // sizeof(groups[0]))])
    finally:
        free(groups)


def peer_security(int fd, name):
    """The peer's security label, or None. -- unix(7), SO_PEERSEC"""
    cdef char label[1024]
    cdef socklen_t size = sizeof(label)
    if getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &size) < 0:
        if errno in (ENOPROTOOPT, ENODATA):
            return None
        raise failure(errno, "getsockopt(SO_PEERSEC)", name)
    return label[:size].rstrip(b"\0").decode(errors="replace")


def queued(int fd, bint outgoing, name):
    """Bytes not yet received by the peer (SIOCOUTQ, with the kernel's overhead) or by us (SIOCINQ). -- unix(7)"""
    cdef int count = 0
    if ioctl(fd, TIOCOUTQ if outgoing else FIONREAD, &count) < 0:
        raise failure(errno, "ioctl(SIOCOUTQ)" if outgoing else "ioctl(SIOCINQ)", name)
    return count


# -- messages --------------------------------------------------------------------------------------------------

cdef class Received:
    """What one receive brought.

    `data`; `descriptors` (owned: close them, or this object); `credentials` (pid, uid, gid) when the socket passes
    them; `truncated`: the message was longer than asked (`size_bytes` is its real length) or carried more
    descriptors than asked (`descriptors_lost`); `eof`: the peer has shut down, and this is no empty message;
    `sender`: the raw address it came from; `pidfd`: the sender, when the socket passes it.
    """

    cdef readonly bytes data
    cdef readonly tuple descriptors
    cdef ucred who            # pid 0: none came
    cdef readonly bint truncated
    cdef readonly bint eof
    cdef readonly Py_ssize_t size_bytes
    cdef readonly bint descriptors_lost
    cdef readonly bytes sender
    cdef readonly object pidfd

    __match_args__ = ("data", "descriptors", "credentials", "truncated", "eof")

    @property
    def credentials(self):
        """(pid, uid, gid) of the sender, or None."""
        return _credentials(self.who.pid, self.who.uid, self.who.gid) if self.who.pid else None

    def close(self):
        """Close every descriptor that came along."""
        for descriptor in self.descriptors:
            descriptor.close()
        if self.pidfd is not None:
            self.pidfd.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        close_surely(self)

    def __reduce__(self):
        raise TypeError("Received cannot be pickled: it may own descriptors; send its data")

    def __repr__(self):
        return (f"Received(data={self.data!r}, descriptors={self.descriptors!r}, credentials={self.credentials!r}, "
                f"truncated={self.truncated}, eof={self.eof})")


cdef tuple NO_DESCRIPTORS = ()
_credentials = None  # the record class, set by unixipc.sockets.credentials


def use_credentials_class(cls):
    """What to wrap (pid, uid, gid) in: the chapter's record."""
    global _credentials
    _credentials = cls


cdef void close_all(msghdr *message) noexcept:
    """Close what a refused message brought: descriptors and a pidfd are installed before we can look."""
    cdef cmsghdr *part = CMSG_FIRSTHDR(message)
    cdef int *fds
    cdef size_t i
    while part != NULL:
        if part.cmsg_level == SOL_SOCKET and part.cmsg_type in (SCM_RIGHTS, UIPC_SCM_PIDFD):
            fds = <int *>CMSG_DATA(part)
            for i in range((part.cmsg_len - CMSG_LEN(0)) // sizeof(int)):
                if fds[i] >= 0:
                    close(fds[i])
        part = CMSG_NXTHDR(message, part)


cdef int unpack(msghdr *message, Received result, Py_ssize_t most) except -1:
    """Every number the kernel installed gets an owner at once, so that no error on the way can leak one."""
    cdef cmsghdr *part = CMSG_FIRSTHDR(message)
    cdef int *fds
    cdef size_t i
    cdef list owned = []
    while part != NULL:
        if part.cmsg_level != SOL_SOCKET:
            pass
        elif part.cmsg_type == SCM_RIGHTS:
            fds = <int *>CMSG_DATA(part)
            for i in range((part.cmsg_len - CMSG_LEN(0)) // sizeof(int)):
                owned.append(owner_of(fds[i], "received"))
        elif part.cmsg_type == SCM_CREDENTIALS:  # pid 0: sent before this side asked for credentials
            memcpy(&result.who, CMSG_DATA(part), sizeof(ucred))
        elif part.cmsg_type == UIPC_SCM_PIDFD:
            if (<int *>CMSG_DATA(part))[0] >= 0:
                result.pidfd = owner_of((<int *>CMSG_DATA(part))[0], "pidfd")
            else:  # no free number for it
                result.descriptors_lost = True
        part = CMSG_NXTHDR(message, part)
    for extra in owned[most:]:  # alignment leaves room for one more than asked
        extra.close()
        result.descriptors_lost = True
    result.descriptors = tuple(owned[:most])
    return 0


cdef Descriptor owner_of(int fd, label):
    """Nothing here runs Python code: no signal handler can raise while a number is nobody's."""
    cdef Descriptor owner = Descriptor.__new__(Descriptor)
    owner.fill(fd, label, GUARDED)
    return owner


cdef class Endpoint(Descriptor):
    """A socket that sends and receives now; waiting is derived from it."""

    cdef readonly int kind
    cdef bytes kept
    cdef public bint control   # ancillary data is expected: credentials or a pidfd with every message

    def __init__(self, int fd, object name=None, int kind=1):
        Descriptor.__init__(self, fd, name)
        self.kind = kind

    cdef void become(self, int fd, label, int kind) noexcept:
        """Own a new connection. A seqpacket one passes credentials: they tell an empty message from the end."""
        cdef int on = 1
        self.fill(fd, label, GUARDED)
        self.kind = kind
        if kind == SOCK_SEQPACKET:
            setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on))
            self.control = True

    # -- bytes: stream sockets, and any socket where only the data matters

    def try_read(self, Py_ssize_t n):
        """Up to `n` bytes that are here now; b"" when the peer has shut down; None for not now. -- recv(2)"""
        cdef ssize_t got
        cdef int fd = self.number(), code, how = MSG_DONTWAIT
        cdef PyObject *raw
        if self.kept is not None:
            data, self.kept = split(self.kept, n)
            return data
        if n <= 0:
            if n < 0:
                raise ValueError(f"cannot read {n} bytes")
            return b""
        if self.kind != 1 and recv(fd, NULL, 0, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC) > n:
            raise failure(EMSGSIZE, "recv(2)", self.name, f"the next message is longer than {n} bytes, and would be "
                          "cut; it stays: ask for more, or receive() it and see `truncated`")
        raw = new_bytes(NULL, n)
        if self.kind != 1:
            how |= MSG_TRUNC  # the real length; never for streams: there it discards
        if n <= QUICK:
            got = recv(fd, bytes_text(raw), n, how)
            code = errno
        else:
            self.enter()
            with nogil:
                got = recv(fd, bytes_text(raw), n, how)
                code = errno
            self.leave()
        if 0 <= got <= n:
            return filled(raw, got)
        Py_CLEAR(raw)
        if got > n:
            raise failure(EMSGSIZE, "recv(2)", self.name, f"another reader took the message that was next, and the one "
                          f"behind it, of {got} bytes, was cut to {n} and is lost: ask for more, or receive() it and "
                          "see `truncated`")
        if code == EAGAIN or code == EINTR:
            return None
        raise refused(code, "recvmsg(2)", self.name)

    def read(self, Py_ssize_t n, timeout=None):
        """Wait for up to `n` bytes; b"" when the peer has shut down. -- recv(2)"""
        data = self.try_read(n)
        if data is None:
            wait = _descriptor.waiting_module().on_descriptor
            return wait(self, POLLIN, self.try_read, n, timeout=timeout, tried=True)
        return data

    def keep(self, bytes data):
        """Put bytes back in front of the stream: the next read gets them first."""
        if data:
            self.kept = data if self.kept is None else data + self.kept

    @property
    def kept_bytes(self):
        """How many bytes a timed-out or cancelled read left here for the next one."""
        return 0 if self.kept is None else len(self.kept)

    # -- messages

    def try_send(self, data, descriptors=None, credentials=None, to=None):
        """Send what goes now, with descriptors: how many bytes, None for not now. -- sendmsg(2)"""
        descriptors = as_tuple(descriptors)
        return self.push(data, descriptors, credentials, to, MSG_DONTWAIT)

    def send(self, data, descriptors=None, credentials=None, timeout=None):
        """Wait until it can be sent; how many bytes were taken (all, but for a stream). -- sendmsg(2)"""
        descriptors = as_tuple(descriptors)  # an iterator would be used up by the first try
        done = self.push(data, descriptors, credentials, None, MSG_DONTWAIT)
        if done is None:
            return _descriptor.waiting_module().on_descriptor(
                self, POLLOUT, self.try_send, data, descriptors, credentials, timeout=timeout, tried=True)
        return done

    try_write = try_send

    def write(self, data, timeout=None):
        """Wait until at least one byte fits; how many bytes were taken. -- send(2)"""
        return self.send(data, timeout=timeout)

    def send_in_kernel(self, data, descriptors, credentials, to):
        """Send, sleeping in the kernel: a datagram to a full queue has nothing to poll. -- sendmsg(2)"""
        return self.push(data, descriptors, credentials, to, 0)

    cdef object push(self, data, descriptors, credentials, to, int how):
        cdef int fd, code
        cdef ssize_t put
        cdef Py_buffer view
        cdef msghdr message
        cdef iovec piece
        cdef sockaddr_un address
        cdef char[CONTROL_BYTES] control
        cdef bint plain = descriptors is None and credentials is None and to is None
        memset(&message, 0, sizeof(message))
        if not plain:
            if to is not None:
                message.msg_namelen = fill(&address, to)
                message.msg_name = &address
            message.msg_control = &control[0]
            message.msg_controllen = pack(&message, &control[0], descriptors, credentials)
            if message.msg_controllen == 0:
                message.msg_control = NULL
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            if descriptors and view.len == 0 and self.kind == 1:
                raise ValueError("on a stream at least one byte must go with descriptors: the kernel would drop them")
            piece.iov_base, piece.iov_len = view.buf, view.len
            message.msg_iov, message.msg_iovlen = &piece, 1
            if plain and how and view.len <= QUICK:
                put = send(self.number(), view.buf, view.len, how | MSG_NOSIGNAL)
                code = errno
            else:
                fd = self.enter()
                with nogil:
                    put = sendmsg(fd, &message, how | MSG_NOSIGNAL)
                    code = errno
                self.leave()
        finally:
            PyBuffer_Release(&view)
        if put >= 0:
            return put
        if code == EAGAIN or (code == EINTR and how):
            return None
        if code == EINTR:
            raise InterruptedError(code, "interrupted")
        raise refused(code, "sendmsg(2)", self.name)

    def try_receive(self, Py_ssize_t max_bytes, Py_ssize_t max_descriptors=0, bint peek=False):
        """A `Received`, None for not now. -- recvmsg(2)"""
        return self.pull(max_bytes, max_descriptors, peek)

    def receive(self, Py_ssize_t max_bytes, Py_ssize_t max_descriptors=0, bint peek=False, timeout=None):
        """Wait for a message (for bytes, on a stream). -- recvmsg(2)"""
        received = self.pull(max_bytes, max_descriptors, peek)
        if received is None:
            return _descriptor.waiting_module().on_descriptor(
                self, POLLIN, self.try_receive, max_bytes, max_descriptors, peek, timeout=timeout, tried=True)
        return received

    cdef object pull(self, Py_ssize_t n, Py_ssize_t most, bint peek):
        cdef int code = 0
        cdef Received result
        self.number()
        if n < 0 or not 0 <= most <= RIGHTS_MAX:
            raise ValueError(f"max_bytes must be at least 0 and max_descriptors 0..{MOST_DESCRIPTORS}, "
                             f"not {n} and {most}")
        if self.kept is not None:
            return self.pull_kept(n, peek)
        if most:
            self.refuse_if_table_full(most)
        data = PyBytes_FromStringAndSize(NULL, n)
        result = Received.__new__(Received)
        result.descriptors = NO_DESCRIPTORS
        cdef ssize_t got = self.receive_into(PyBytes_AS_STRING(data), n, most, peek, result, &code)
        if got < 0:
            if code == EAGAIN or code == EINTR:
                return None
            raise refused(code, "recvmsg(2)", self.name)
        result.data = data if got == n else PyBytes_FromStringAndSize(PyBytes_AS_STRING(data), min(got, n))
        result.size_bytes = got
        return result

    cdef ssize_t receive_into(self, char *into, Py_ssize_t n, Py_ssize_t most, bint peek, Received result,
                              int *code) except -2:
        cdef msghdr message
        cdef iovec piece
        cdef sockaddr_un address
        cdef char[CONTROL_BYTES] control
        cdef int fd = self.fd, flags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC | (MSG_PEEK if peek else 0)
        cdef ssize_t got
        memset(&message, 0, sizeof(message))
        piece.iov_base, piece.iov_len = into, n
        message.msg_iov, message.msg_iovlen = &piece, 1
        if self.kind != 1:  # not a stream: the real length, and who sent it. Never for streams: there it discards
            flags |= MSG_TRUNC
            message.msg_name, message.msg_namelen = &address, sizeof(address)
        if most or self.control:
            message.msg_control = &control[0]
            message.msg_controllen = CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int))
            if most:
                message.msg_controllen += CMSG_SPACE(most * sizeof(int))
        if n <= QUICK:
            got = recvmsg(fd, &message, flags)
            code[0] = errno
        else:
            self.enter()
            with nogil:
                got = recvmsg(fd, &message, flags)
                code[0] = errno
            self.leave()
        if got < 0:
            return -1
        if message.msg_flags & (MSG_CTRUNC | MSG_TRUNC):
            result.descriptors_lost = (message.msg_flags & MSG_CTRUNC) != 0
            result.truncated = True
        if message.msg_controllen:
            unpack(&message, result, most)
            result.truncated = result.truncated or result.descriptors_lost
        if message.msg_namelen:
            result.sender = as_raw(&address, message.msg_namelen)
        if got == 0:
            # An empty message of a seqpacket or datagram socket brings its credentials along; the end brings nothing.
            result.eof = n > 0 if self.kind == 1 else (self.kind == SOCK_SEQPACKET and message.msg_controllen == 0)
        return got

    cdef int refuse_if_table_full(self, Py_ssize_t most) except -1:
        """EMFILE before anything is lost: a message whose descriptors find no place stays where it is.

        Peeking installs the passed descriptors, and closing those again drops this process's POSIX locks on the files
        behind them; so it is done only when there is no room for `most`.
        """
        if free_numbers(most) < most and self.message_finds_no_room():
            raise refused(EMFILE, "recvmsg(2)", self.name)
        return 0

    cdef bint message_finds_no_room(self):
        """Whether the next message carries more descriptors than there are free numbers; it stays."""
        cdef msghdr message
        cdef char[CONTROL_BYTES] control
        cdef iovec piece
        cdef char nothing
        memset(&message, 0, sizeof(message))
        piece.iov_base, piece.iov_len = &nothing, 1
        message.msg_iov, message.msg_iovlen = &piece, 1
        message.msg_control, message.msg_controllen = &control[0], CONTROL_BYTES
        if recvmsg(self.fd, &message, MSG_DONTWAIT | MSG_PEEK | MSG_CMSG_CLOEXEC) < 0:
            return False  # whatever it is, the receive itself will say it
        close_all(&message)
        return (message.msg_flags & MSG_CTRUNC) != 0

    cdef object pull_kept(self, Py_ssize_t n, bint peek):
        cdef Received result = Received.__new__(Received)
        result.descriptors = NO_DESCRIPTORS
        whole = self.kept
        result.data, self.kept = split(whole, n)
        if peek:
            self.kept = whole
        result.size_bytes = len(result.data)
        return result


cdef Py_ssize_t free_numbers(Py_ssize_t wanted) noexcept:
    """How many more descriptors can be open, as far as `wanted`. Only looked at: other threads need numbers too."""
    cdef uipc_stat table
    cdef rlimit limit
    cdef Py_ssize_t most, room = 0
    cdef int number = 0
    getrlimit(RLIMIT_NOFILE, &limit)
    most = min(limit.rlim_cur, <unsigned long>INT_MAX)
    if uipc_stat_of(b"/proc/self/fd", &table) == 0 and table.st_size and most - table.st_size >= wanted:
        return wanted  # Linux 6.2 counts
    while number < most and room < wanted:
        room += fcntl(number, F_GETFD) < 0
        number += 1
    return room


cdef object as_tuple(descriptors):
    return descriptors if descriptors is None or type(descriptors) is tuple else tuple(descriptors)


cdef size_t pack(msghdr *message, char *control, descriptors, credentials) except? 0:
    """Write SCM_RIGHTS and SCM_CREDENTIALS into `control`; how many bytes that is."""
    cdef cmsghdr *part
    cdef ucred who
    cdef list numbers = [d if isinstance(d, int) else d.fileno() for d in descriptors or ()]
    cdef size_t used = 0
    cdef int i
    if len(numbers) > RIGHTS_MAX:
        raise ValueError(f"at most {MOST_DESCRIPTORS} descriptors go with one message (SCM_MAX_FD), not {len(numbers)}")
    memset(control, 0, CONTROL_BYTES)
    if numbers:
        part = <cmsghdr *>control
        part.cmsg_level, part.cmsg_type = SOL_SOCKET, SCM_RIGHTS
        part.cmsg_len = CMSG_LEN(len(numbers) * sizeof(int))
        for i, number in enumerate(numbers):
            (<int *>CMSG_DATA(part))[i] = number
        used += CMSG_SPACE(len(numbers) * sizeof(int))
    if credentials is not None:
        who.pid, who.uid, who.gid = credentials
        part = <cmsghdr *>(control + used)
        part.cmsg_level, part.cmsg_type, part.cmsg_len = SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(who))
        memcpy(CMSG_DATA(part), &who, sizeof(who))
        used += CMSG_SPACE(sizeof(who))
    return used
