# SPDX-License-Identifier: Apache-2.0
"""A transparency log written from its specifications (RFC 6962, RFC 8032, C2SP signed-note, tlog-checkpoint,
tlog-cosignature, tlog-proof, tlog-tiles), in the plainest way and with nothing of ours: what sherd-verify is held
against.
"""
import base64
import ctypes
import hashlib
from pathlib import Path

# --- Ed25519, RFC 8032 section 5.1 ---------------------------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(one, other):
    """Points as (x, y) fractions with a common denominator: (X, Y, Z, T) with T = XY/Z."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * D * one[3] * other[3] % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(number, point):
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = add(result, point)
        point = add(point, point)
        number >>= 1
    return result


def base_point():
    y = 4 * pow(5, P - 2, P) % P
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    x = P - x if x & 1 else x
    return x, y, 1, x * y % P


BASE = base_point()


def pack(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def secret(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    return scalar, digest[32:]


def modulo(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER


def sign(seed, message):
    scalar, prefix = secret(seed)
    public = pack(multiply(scalar, BASE))
    nonce = modulo(prefix, message)
    point = pack(multiply(nonce, BASE))
    return point + ((nonce + modulo(point, public, message) * scalar) % ORDER).to_bytes(32, "little")


# --- keys and notes ------------------------------------------------------------------------------------------------

def b64(data):
    return base64.b64encode(data).decode()


def has_mldsa():
    """Whether the OpenSSL that programs find here has ML-DSA-44."""
    return ctypes.CDLL("libcrypto.so.3").OpenSSL_version_num() >= 0x30500000


def mldsa_vkey(name, public):
    """A public key of ML-DSA-44 as text (C2SP tlog-cosignature)."""
    key = b"\x06" + public
    digest = hashlib.sha256(name.encode() + b"\n" + key).hexdigest()
    return f"{name}+{digest[:8]}+{b64(key)}"


class Key:
    """A key with a name; kind 1 signs, kind 4 cosigns."""

    def __init__(self, name, kind, seed):
        self.name, self.kind, self.seed = name, kind, seed
        self.public = bytes([kind]) + pack(multiply(secret(seed)[0], BASE))
        self.id = hashlib.sha256(name.encode() + b"\n" + self.public).digest()[:4]
        self.vkey = f"{name}+{self.id.hex()}+{b64(self.public)}"

    def line(self, text, time=0):
        if self.kind == 4:
            stamp = time.to_bytes(8, "big")
            blob = self.id + stamp + sign(self.seed, b"cosignature/v1\ntime %d\n" % time + text)
        else:
            blob = self.id + sign(self.seed, text)
        return f"\u2014 {self.name} {b64(blob)}\n".encode()


# --- the tree ------------------------------------------------------------------------------------------------------

def leaf_hash(leaf):
    return hashlib.sha256(b"\0" + leaf).digest()


def split(count):
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def root(leaves):
    if len(leaves) < 2:
        return leaf_hash(leaves[0]) if leaves else hashlib.sha256().digest()
    k = split(len(leaves))
    return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


def inclusion(index, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return inclusion(index, leaves[:k]) + [root(leaves[k:])]
    return inclusion(index - k, leaves[k:]) + [root(leaves[:k])]


def consistency(old, leaves, whole=True):
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return consistency(old, leaves[:k], whole) + [root(leaves[k:])]
    return consistency(old - k, leaves[k:], False) + [root(leaves[:k])]


# --- texts ---------------------------------------------------------------------------------------------------------

class Log:
    """A log of these leaves; keys sign its checkpoints, each with the time beside it."""

    def __init__(self, origin, leaves, keys):
        self.origin, self.leaves, self.keys = origin, leaves, keys

    def checkpoint(self, size=None):
        size = len(self.leaves) if size is None else size
        text = f"{self.origin}\n{size}\n{b64(root(self.leaves[:size]))}\n".encode()
        return text + b"\n" + b"".join(key.line(text, time) for key, time in self.keys)

    def proof(self, index, size=None, extra=b""):
        leaves = self.leaves[:size]
        head = "c2sp.org/tlog-proof@v1\n" + (f"extra {b64(extra)}\n" if extra else "") + f"index {index}\n"
        hashes = "".join(b64(value) + "\n" for value in inclusion(index, leaves))
        return (head + hashes + "\n").encode() + self.checkpoint(len(leaves))

    def growth(self, old, size=None):
        hashes = consistency(old, self.leaves[:size]) if old else []
        return (f"old {old}\n" + "".join(b64(value) + "\n" for value in hashes)).encode()

    def export(self, folder):
        """Tiles, bundles and checkpoint, as one would fetch them."""
        folder = Path(folder)
        hashes = [leaf_hash(leaf) for leaf in self.leaves]
        level = 0
        while hashes:
            self.tiles(folder / "tile" / str(level), hashes, b"".join)
            full = len(hashes) // 256 * 256
            hashes = [fold(hashes[i:i + 256]) for i in range(0, full, 256)]
            level += 1
        entries = [len(leaf).to_bytes(2, "big") + leaf for leaf in self.leaves]
        self.tiles(folder / "tile" / "entries", entries, b"".join)
        (folder / "checkpoint").write_bytes(self.checkpoint())

    @staticmethod
    def tiles(folder, items, join):
        for first in range(0, len(items), 256):
            part = items[first:first + 256]
            index = f"{first // 256:03d}"
            assert len(index) == 3
            path = folder / index if len(part) == 256 else folder / (index + ".p") / str(len(part))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(join(part))


def fold(hashes):
    while len(hashes) > 1:
        hashes = [hashlib.sha256(b"\1" + hashes[i] + hashes[i + 1]).digest() for i in range(0, len(hashes), 2)]
    return hashes[0]
