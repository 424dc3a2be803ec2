"""POSIX message queues, semaphores and shared memory, by name. -- mq_overview(7), sem_overview(7), shm_overview(7)"""

from .memory import SharedMemory, remove_memory
from .queue import Message, MessageQueue, QueueStat, remove_queue
from .semaphore import Semaphore, remove_semaphore

__all__ = [
    "Message",
    "MessageQueue",
    "QueueStat",
    "Semaphore",
    "SharedMemory",
    "remove_memory",
    "remove_queue",
    "remove_semaphore",
]
