"""The little of rtnetlink that the checks use."""

import struct

RTM_NEWLINK, RTM_GETLINK = 16, 18
REQUEST, ACK, DUMP, CREATE = 1, 4, 0x300, 0x400
IFF_UP = 1
IFLA_IFNAME, IFLA_LINKINFO, IFLA_NET_NS_FD = 3, 18, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1


def _attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def _link(index=0, flags=0, change=0):
    return struct.pack("=BxHiII", 0, 0, index, flags, change)


def _message(kind, flags, payload):
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, 1, 0) + payload


def _acknowledged(sock, message):
    """The errno with which the kernel answers a message; 0 is success."""
    sock.settimeout(20)
    sock.send(message)
    answer = sock.recv(1 << 16)
    return -struct.unpack_from("=i", answer, 16)[0]


def set_up(sock, index=1):
    """Brings a link up, the loopback if none is named; the errno."""
    return _acknowledged(sock, _message(RTM_NEWLINK, REQUEST | ACK, _link(index, IFF_UP, IFF_UP)))


def make_veth(sock, name, peer, descriptor):
    """Makes a veth pair, one end in the socket's namespace, one in that of a descriptor; the errno."""
    far = _link() + _attribute(IFLA_IFNAME, peer + b"\0") + _attribute(IFLA_NET_NS_FD, struct.pack("=I", descriptor))
    info = _attribute(IFLA_INFO_KIND, b"veth") + _attribute(IFLA_INFO_DATA, _attribute(VETH_INFO_PEER, far))
    payload = _link() + _attribute(IFLA_IFNAME, name + b"\0") + _attribute(IFLA_LINKINFO, info)
    return _acknowledged(sock, _message(RTM_NEWLINK, REQUEST | ACK | CREATE, payload))


def list_links(sock):
    """The links of a socket's namespace, a map of name to flags."""
    sock.settimeout(20)
    sock.send(_message(RTM_GETLINK, REQUEST | DUMP, _link()))
    found = {}
    while True:
        data = sock.recv(1 << 16)
        while data:
            size, kind = struct.unpack_from("=IH", data)
            if kind != RTM_NEWLINK:
                return found
            flags = struct.unpack_from("=I", data, 24)[0]
            at = 32
            while at < size:
                length, attribute = struct.unpack_from("=HH", data, at)
                if attribute == IFLA_IFNAME:
                    found[data[at + 4 : at + length].rstrip(b"\0")] = flags
                at += length + (-length % 4)
            data = data[size + (-size % 4) :]
