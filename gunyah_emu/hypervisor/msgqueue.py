"""Message queues: a bounded FIFO of byte messages with two interrupt sources (API section "Message Queue Management").

RX ("not empty") tells the receiver, TX ("not full") the sender.  Both are asserted as levels at the moment that the
count reaches a threshold, and hold while it stays beyond it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from gunyah_emu.abi.errors import (
    ARGUMENT_INVALID,
    NOMEM,
    OBJECT_CONFIG,
    OK,
)
from gunyah_emu.abi.rights import MsgQueueRights
from gunyah_emu.hypervisor.object import HypervisorObject
from gunyah_emu.hypervisor.partition import Partition
from gunyah_emu.hypervisor.virq import VirqSource

MAX_DEPTH: Final = 255
MAX_MESSAGE_SIZE: Final = 1023
UNCHANGED: Final = 0xFFFF_FFFF
MAXIMUM: Final = 0xFFFF_FFFE

_PUSH: Final = 1 << 0
_SIZE_FIELD: Final = 8


class MsgQueue(HypervisorObject):
    """A message queue.

    Arguments:
        partition: what it is allocated from.
        label: a name for people.
        depth: how many messages it holds; 0: to be configured.
        max_message_size: bytes of the longest message; 0: to be configured.

    """

    __slots__ = (
        "depth",
        "max_message_size",
        "messages",
        "receive_source",
        "receive_threshold",
        "send_source",
        "send_threshold",
    )

    RIGHTS = MsgQueueRights

    def __init__(self, partition: Partition, label: str = "", depth: int = 0, max_message_size: int = 0) -> None:
        super().__init__(partition, label)
        self.depth = depth
        self.max_message_size = max_message_size
        self.messages: deque[bytes] = deque()
        self.send_threshold = 0
        self.receive_threshold = 1
        self.send_source = VirqSource(self, "send", self.send_level)
        self.receive_source = VirqSource(self, "receive", self.receive_level)

    def send_level(self) -> bool:
        """Whether there is room enough to tell the sender: an idle queue holds this level (recorded)."""
        return len(self.messages) <= self.send_threshold

    def receive_level(self) -> bool:
        """Whether there is enough to tell the receiver."""
        return len(self.messages) >= self.receive_threshold

    def configure(self, depth: int, max_message_size: int) -> int:
        """Set the geometry; ARGUMENT_INVALID and unchanged when out of range."""
        if not (1 <= depth <= MAX_DEPTH and 1 <= max_message_size <= MAX_MESSAGE_SIZE):
            return ARGUMENT_INVALID
        self.depth = depth
        self.max_message_size = max_message_size
        return OK

    def on_activate(self) -> int:
        """OBJECT_CONFIG: never configured.  NOMEM: no memory for the messages."""
        if not self.depth:
            return OBJECT_CONFIG
        assert self.partition is not None
        size = (self.max_message_size + _SIZE_FIELD) * self.depth
        if not self.partition.has_room(size):
            return NOMEM
        self.partition.charge(self, size)
        self.send_threshold = self.depth - 1
        return OK

    def on_deactivate(self) -> None:
        """A queue that dies loses its messages and unbinds its vIRQs."""
        self.messages.clear()
        self.send_source.unbind()
        self.receive_source.unbind()

    def push(self, message: bytes, *, push: bool) -> bool:
        """Append a message to a queue that is not full; whether it still is not full.

        Arguments:
            message: 1..`max_message_size` bytes.
            push: tell the receiver even if its threshold is not reached.

        """
        messages = self.messages
        messages.append(message)
        count = len(messages)
        if push or count == self.receive_threshold:
            self.receive_source.assert_level()
        return count != self.depth

    def pop(self) -> bool:
        """Drop the oldest message of a queue that is not empty; whether it still is not empty."""
        messages = self.messages
        messages.popleft()
        count = len(messages)
        if count == self.send_threshold:
            self.send_source.assert_level()
        return count != 0

    def flush(self) -> None:
        """Drop all messages."""
        if self.messages:
            self.send_source.assert_level()
            self.receive_source.clear()
            self.messages.clear()

    def set_send_threshold(self, threshold: int) -> int:
        """Tell the sender from `threshold` messages down; ARGUMENT_INVALID unless below the depth."""
        if threshold >= self.depth:
            return ARGUMENT_INVALID
        self.send_threshold = threshold
        if self.send_level():
            self.send_source.assert_level()
        else:
            self.send_source.clear()
        return OK

    def set_receive_threshold(self, threshold: int) -> int:
        """Tell the receiver from `threshold` messages up; ARGUMENT_INVALID unless 1..depth."""
        if not 1 <= threshold <= self.depth:
            return ARGUMENT_INVALID
        self.receive_threshold = threshold
        if self.receive_level():
            self.receive_source.assert_level()
        else:
            self.receive_source.clear()
        return OK
