"""The hypercalls on message queues (API section "Message Queue Management")."""

from __future__ import annotations

from typing import Annotated, Final

from gunyah_emu.abi.bitfields import MsgqueueCreateInfo, MsgqueueSendFlags
from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import MSGQUEUE_EMPTY, MSGQUEUE_FULL, OK, UNIMPLEMENTED
from gunyah_emu.abi.rights import ACTIVATE, MsgQueueRights, VicRights
from gunyah_emu.abi.types import MINUS_ONE, Count, Results, Size, UserPtr, Virq
from gunyah_emu.hypervisor.msgqueue import MsgQueue
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vic import Vic

UNCHANGED: Final = 0xFFFF_FFFF
"""Of a threshold or a holdoff: leave it as it is."""

MAXIMUM: Final = 0xFFFF_FFFE
"""Of the receiver's threshold: the depth."""

_PUSH: Final = 1 << 0


@hypercall(0x6017)
def msgqueue_bind_send_virq(
    msgqueue: Annotated[MsgQueue, MsgQueueRights.BIND_SEND], vic: Annotated[Vic, VicRights.BIND_SOURCE], virq: Virq
) -> Results:
    """Bind the sender's ("not full") interrupt; nothing is asserted by it (recorded).

    Arguments:
        msgqueue: the queue.
        vic: the sender's interrupt controller.
        virq: the interrupt, an SPI (32..1019).

    Errors:
        VIRQ_BOUND: this side is bound already; checked before the number.
        ARGUMENT_INVALID: `virq` is not an SPI, or beyond the VIC's number of vIRQs.
        BUSY: another source is bound to this interrupt.

    Source: API "Message Queue Bind Send vIRQ"; recorded.

    """
    return msgqueue.send_source.bind(vic, virq)


@hypercall(0x6018)
def msgqueue_bind_receive_virq(
    msgqueue: Annotated[MsgQueue, MsgQueueRights.BIND_RECEIVE],
    vic: Annotated[Vic, VicRights.BIND_SOURCE],
    virq: Virq,
) -> Results:
    """Bind the receiver's ("not empty") interrupt; nothing is asserted by it (recorded).

    Arguments:
        msgqueue: the queue.
        vic: the receiver's interrupt controller.
        virq: the interrupt, an SPI (32..1019).

    Errors:
        VIRQ_BOUND: this side is bound already; checked before the number.
        ARGUMENT_INVALID: `virq` is not an SPI, or beyond the VIC's number of vIRQs.
        BUSY: another source is bound to this interrupt.

    Source: API "Message Queue Bind Receive vIRQ"; recorded.

    """
    return msgqueue.receive_source.bind(vic, virq)


@hypercall(0x6019)
def msgqueue_unbind_send_virq(msgqueue: Annotated[MsgQueue, MsgQueueRights.BIND_SEND]) -> Results:
    """Unbind the sender's interrupt; no error when it is unbound already (recorded).

    Arguments:
        msgqueue: the queue.

    Source: API "Message Queue Unbind Send vIRQ"; recorded.

    """
    msgqueue.send_source.unbind()
    return OK


@hypercall(0x601A)
def msgqueue_unbind_receive_virq(msgqueue: Annotated[MsgQueue, MsgQueueRights.BIND_RECEIVE]) -> Results:
    """Unbind the receiver's interrupt; no error when it is unbound already (recorded).

    Arguments:
        msgqueue: the queue.

    Source: API "Message Queue Unbind Receive vIRQ"; recorded.

    """
    msgqueue.receive_source.unbind()
    return OK


@hypercall(0x601B)
def msgqueue_send(
    caller: Thread,
    msgqueue: Annotated[MsgQueue, MsgQueueRights.SEND],
    size: Size,
    data: UserPtr,
    send_flags: MsgqueueSendFlags,
) -> Annotated[Results, "not_full: bool"]:
    """Append a message.

    The receiver is told when the count reaches exactly its threshold, or always with the push flag.  A size of 0 or
    above the queue's maximum, and a buffer that is not wholly readable, are no error: the call returns OK with
    not_full = 1 and queues nothing (recorded).  The buffer needs no alignment and may cross pages.  A buffer in
    device memory stops the hypervisor.

    Arguments:
        caller: whose memory the buffer is in.
        msgqueue: the queue.
        size: bytes of the message.
        data: address of the message in the caller's address space.
        send_flags: bit 0 is push; the others are ignored (recorded).

    Errors:
        MSGQUEUE_FULL: the queue is full, with not_full = 0; checked before size and buffer.

    Differs: the document answers ARGUMENT_SIZE to a wrong size and ADDR_INVALID to a wrong buffer, wants the reserved
    flag bits to be 0, and asserts whenever the count was below the threshold; recorded is OK, no look at those bits,
    and an assertion only when the count reaches the threshold.

    Source: API "Message Queue Send"; recorded.

    """
    if len(msgqueue.messages) == msgqueue.depth:
        return MSGQUEUE_FULL
    if not 1 <= size <= msgqueue.max_message_size:
        return 0, 1
    message = caller.read_memory(data, size)
    if message is None:
        return 0, 1
    return 0, 1 if msgqueue.push(message, push=send_flags & _PUSH != 0) else 0


@hypercall(0x601C)
def msgqueue_receive(
    caller: Thread,
    msgqueue: Annotated[MsgQueue, MsgQueueRights.RECEIVE],
    buffer: UserPtr,
    buf_size: Size,
) -> Annotated[Results, "size: size", "not_empty: bool"]:
    """Take the oldest message.

    The sender is told when the count reaches exactly its threshold.  A message longer than the buffer, and a buffer
    that is not wholly
    writable, are no error: the call returns OK with size = 0 and not_empty = 1, and the message stays (recorded).
        With too small a buffer nothing is written; of a buffer that ends in unmapped memory the part before it is.
        Bytes beyond the message are not touched.  A buffer in device memory stops the hypervisor.

    Arguments:
        caller: whose memory the buffer is in.
        msgqueue: the queue.
        buffer: address of the buffer in the caller's address space.
        buf_size: its bytes.

    Errors:
        MSGQUEUE_EMPTY: the queue is empty; checked before the buffer.

    Unspecified: what a buffer holds after a call that failed.

    Differs: the document answers ADDR_INVALID to a wrong buffer and ADDR_OVERFLOW to a small one; recorded is OK with
    a size of 0.

    Source: API "Message Queue Receive"; recorded.

    """
    if not msgqueue.messages:
        return MSGQUEUE_EMPTY
    message = msgqueue.messages[0]
    size = len(message)
    if size > buf_size or caller.write_memory(buffer, message) != size:
        return 0, 0, 1
    return 0, size, 1 if msgqueue.pop() else 0


@hypercall(0x601D)
def msgqueue_flush(msgqueue: Annotated[MsgQueue, MsgQueueRights.RECEIVE]) -> Results:
    """Drop all messages.

    If there were any, the sender's level is asserted and the receiver's cleared; an empty queue does nothing
    (recorded).

    Arguments:
        msgqueue: the queue.

    Differs: the document de-asserts the sender's interrupt; it is asserted, and the receiver's cleared (recorded).

    Source: API "Message Queue Flush"; recorded.

    """
    msgqueue.flush()
    return OK


@hypercall(0x601F, reserved=MINUS_ONE)
def msgqueue_configure_send(
    msgqueue: Annotated[MsgQueue, MsgQueueRights.SEND], not_full_thres: Count, not_full_holdoff: Count
) -> Results:
    """Choose when the sender is told that the queue is not full.

    The level is asserted if the count is at most the new threshold, else cleared.  The default is the depth - 1.

    Arguments:
        msgqueue: the queue.
        not_full_thres: messages, below the depth; 0xffffffff: unchanged, and nothing is asserted.
        not_full_holdoff: must be 0xffffffff (unchanged).

    Errors:
        UNIMPLEMENTED: another holdoff; checked before the threshold.
        ARGUMENT_INVALID: the threshold is not below the depth.

    Unspecified: what the interrupt does when the threshold moves past the count.

    Source: API "Message Queue Configure Send"; recorded.

    """
    if not_full_holdoff != UNCHANGED:
        return UNIMPLEMENTED
    return OK if not_full_thres == UNCHANGED else msgqueue.set_send_threshold(not_full_thres)


@hypercall(0x6020, reserved=MINUS_ONE)
def msgqueue_configure_receive(
    msgqueue: Annotated[MsgQueue, MsgQueueRights.RECEIVE], not_empty_thres: Count, not_empty_holdoff: Count
) -> Results:
    """Choose when the receiver is told that the queue is not empty.

    The level is asserted if the count is at least the new threshold, else cleared.  The default is 1.

    Arguments:
        msgqueue: the queue.
        not_empty_thres: messages, 1..depth; 0xffffffff: unchanged, and nothing is asserted; 0xfffffffe: the depth,
            and nothing is
            asserted or cleared (recorded).
        not_empty_holdoff: must be 0xffffffff (unchanged).

    Errors:
        UNIMPLEMENTED: another holdoff; checked before the threshold.
        ARGUMENT_INVALID: the threshold is 0 or above the depth.

    Unspecified: what the interrupt does when the threshold moves past the count.

    Source: API "Message Queue Configure Receive"; recorded.

    """
    if not_empty_holdoff != UNCHANGED:
        return UNIMPLEMENTED
    if not_empty_thres == MAXIMUM:
        msgqueue.receive_threshold = msgqueue.depth
        return OK
    return OK if not_empty_thres == UNCHANGED else msgqueue.set_receive_threshold(not_empty_thres)


@hypercall(0x6021)
def msgqueue_configure(msgqueue: Annotated[MsgQueue, ACTIVATE], create_info: MsgqueueCreateInfo) -> Results:
    """Set a queue's geometry before it is activated; repeatable until then.

    Without it the activation fails with OBJECT_CONFIG.

    Arguments:
        msgqueue: a queue in state INIT.
        create_info: bits 15:0 depth, 1..255 messages; bits 31:16 longest message, 1..1023 bytes; the rest is ignored.

    Errors:
        ARGUMENT_INVALID: depth or size out of range; the queue is unchanged.

    Unspecified: the limits of depth and size.

    Differs: the document wants bits 63:32 to be 0; they are ignored (read).

    Source: API "Configure a Message Queue"; recorded.

    """
    return msgqueue.configure(create_info & 0xFFFF, create_info >> 16 & 0xFFFF)
