"""A peer written from docs/protocol.md with noiseprotocol and cryptography: shares no code with Hawser.

peer.py check: exits 0 when the packages are there.
peer.py initiate HOST PORT NODE_ID_HEX PSK_HEX: connects, sends a datagram, prints the answer.
peer.py respond PSK_HEX: prints port and node id, takes one session, answers a datagram in capitals.
"""

import hashlib
import socket
import struct
import sys
import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from noise.connection import Keypair, NoiseConnection

# max_idle_timeout, max_udp_payload_size, initial_max_data, initial_max_streams_bidi, max_datagram_frame_size
PARAMETERS = bytes.fromhex("0104 80007530 0302 45ac 0401 20 0801 04 2004 8000ffff".replace(" ", ""))
PING, DATAGRAM, DATAGRAM_LEN, CLOSE = 0x01, 0x30, 0x31, 0x1D
INDEX = 0x01020304


def keyed(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def with_macs(packet, receiver):
    """Appends mac1 for the owner of a public key, and an empty mac2."""
    key = hashlib.blake2s(b"mac1----" + receiver).digest()
    return packet + keyed(key, packet) + bytes(16)


def tai64n():
    now = time.time()
    return struct.pack(">QI", 0x400000000000000A + int(now), int(now % 1 * 1e9))


def new_key():
    key = X25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return secret, key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def noise(psk, secret, remote=None):
    state = NoiseConnection.from_name(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
    state.set_prologue(b"hawser/1")
    state.set_psks(psk)
    state.set_keypair_from_private_bytes(Keypair.STATIC, secret)
    if remote is None:
        state.set_as_responder()
    else:
        state.set_as_initiator()
        state.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, remote)
    state.start_handshake()
    return state


class Packets:
    """Data packets of one session."""

    def __init__(self, state, remote_index):
        inner = state.noise_protocol
        self.sealing = ChaCha20Poly1305(inner.cipher_state_encrypt.k)
        self.opening = ChaCha20Poly1305(inner.cipher_state_decrypt.k)
        self.remote_index = remote_index
        self.number = 0

    def seal(self, frames):
        header = struct.pack("<BBHIQ", 4, 0, 0, self.remote_index, self.number)
        nonce = bytes(4) + struct.pack("<Q", self.number)
        self.number += 1
        return header + self.sealing.encrypt(nonce, frames, header)

    def open(self, packet):
        header = packet[:16]
        kind, flags, reserved, index, number = struct.unpack("<BBHIQ", header)
        assert (kind, flags, reserved, index) == (4, 0, 0, INDEX), header.hex()
        return self.opening.decrypt(bytes(4) + struct.pack("<Q", number), packet[16:], header)


def varint(data, at):
    length = 1 << (data[at] >> 6)
    value = int.from_bytes(data[at : at + length], "big") & ((1 << (8 * length - 2)) - 1)
    return value, at + length


def datagram_in(frames):
    """The first datagram; ACK, PING and PADDING before it are passed over."""
    at = 0
    while at < len(frames):
        kind = frames[at]
        at += 1
        if kind in (0, PING):
            continue
        if kind == 2:
            _, at = varint(frames, at)
            _, at = varint(frames, at)
            count, at = varint(frames, at)
            for _ in range(1 + 2 * count):
                _, at = varint(frames, at)
        elif kind == DATAGRAM:
            return frames[at:]
        elif kind == DATAGRAM_LEN:
            length, at = varint(frames, at)
            return frames[at : at + length]
        else:
            return None
    return None


def wait_for_datagram(sock, packets):
    while True:
        packet, where = sock.recvfrom(65535)
        if packet[0] != 4:
            continue
        found = datagram_in(packets.open(packet))
        if found is not None:
            return found, where


def open_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(20)
    return sock


def initiate(host, port, node_id, psk):
    sock, where = open_socket(), (host, int(port))
    secret, public = new_key()
    state = noise(bytes.fromhex(psk), secret, bytes.fromhex(node_id))
    message = state.write_message(tai64n() + PARAMETERS + bytes([27, 0x40, 200]) + bytes(200))
    packet = struct.pack("<BBHI", 1, 1, 0, INDEX) + bytes(message)
    sock.sendto(with_macs(packet, bytes.fromhex(node_id)), where)
    response = sock.recv(65535)
    kind, _, _, remote_index, mine = struct.unpack("<BBHII", response[:12])
    assert (kind, mine) == (2, INDEX), response[:12].hex()
    assert with_macs(response[:-32], public)[-32:-16] == response[-32:-16], "mac1 of the response"
    state.read_message(response[12:-32])
    packets = Packets(state, remote_index)
    text = b"hello from another language"
    sock.sendto(packets.seal(bytes([PING, DATAGRAM_LEN, len(text)]) + text), where)
    answer, _ = wait_for_datagram(sock, packets)
    print(answer.decode(), flush=True)
    sock.sendto(packets.seal(bytes([CLOSE, 0x50, 0x01, 4]) + b"done"), where)


def respond(psk):
    sock = open_socket()
    secret, public = new_key()
    print(sock.getsockname()[1], public.hex(), flush=True)
    packet, where = sock.recvfrom(65535)
    kind, version, reserved, remote_index = struct.unpack("<BBHI", packet[:8])
    assert (kind, version, reserved) == (1, 1, 0), packet[:8].hex()
    assert with_macs(packet[:-32], public)[-32:-16] == packet[-32:-16], "mac1 of the initiation"
    state = noise(bytes.fromhex(psk), secret)
    state.read_message(packet[8:-32])
    initiator = state.noise_protocol.handshake_state.rs.public_bytes
    message = state.write_message(PARAMETERS)
    response = struct.pack("<BBHII", 2, 0, 0, INDEX, remote_index) + bytes(message)
    sock.sendto(with_macs(response, initiator), where)
    packets = Packets(state, remote_index)
    asked, where = wait_for_datagram(sock, packets)
    answer = asked.upper()
    sock.sendto(packets.seal(bytes([DATAGRAM]) + answer), where)
    print(asked.decode(), flush=True)


if __name__ == "__main__":
    {"check": lambda: None, "initiate": initiate, "respond": respond}[sys.argv[1]](*sys.argv[2:])
