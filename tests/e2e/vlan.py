"""A VLAN interface for kernels that have none: a tap device whose frames go out on eth0 tagged, and back."""

import fcntl
import os
import select
import socket
import struct
import threading

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
SOL_PACKET, PACKET_AUXDATA = 263, 8
TAG = 0x8100
AUXDATA = struct.Struct("=IIIHHHH")  # ..., VLAN tag, its Ethernet type


class VlanInterface:
    """`name` on the host; close() ends it."""

    def __init__(self, host, vlan, name="vlan0"):
        self.vlan = vlan
        with host:
            self.tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(self.tap, TUNSETIFF, struct.pack("16sH14x", name.encode(), IFF_TAP | IFF_NO_PI))
        self._raw = host.raw_socket()
        self.wire = self._raw.__enter__()
        self.wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        host.ip("link", "set", name, "up")
        self.quit = os.eventfd(0)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            ready = select.select([self.tap, self.wire, self.quit], [], [])[0]
            if self.quit in ready:
                return
            if self.tap in ready:
                frame = os.read(self.tap, 65536)
                self.wire.send(frame[:12] + struct.pack("!HH", TAG, self.vlan) + frame[12:])
            if self.wire in ready:
                self._receive()

    def _receive(self):
        """The kernel has taken the tag out of the frame and tells it beside."""
        frame, ancillary, _, address = self.wire.recvmsg(65536, 128)
        if address[2] == socket.PACKET_OUTGOING:
            return
        for level, kind, data in ancillary:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA) and AUXDATA.unpack_from(data)[5] & 0xFFF == self.vlan:
                os.write(self.tap, frame)

    def close(self):
        os.eventfd_write(self.quit, 1)
        self.thread.join()
        self._raw.__exit__(None, None, None)
        os.close(self.tap)
        os.close(self.quit)
