#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second reading of docs/format/share.md, which shares no code with the first.

gen_share.py            prints the known answers of tests/unit/test_anchor_share.c and test_anchor_share_text.c
gen_share.py FOLDER     writes the seeds of the fuzz target: fuzz/corpus/share
"""
import hashlib
import hmac
import struct
import sys
from pathlib import Path

LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
SECRET = bytes(range(32))
SET_ID = bytes(range(0xa0, 0xa8))
COEFFICIENTS = bytes((i * 73 + 19) % 256 for i in range(32))


def product(a, b):
    result = 0
    while b:
        result ^= a if b & 1 else 0
        a = a << 1 ^ (0x11b if a & 0x80 else 0)
        b >>= 1
    return result


def hkdf_sha512(ikm, salt, info, length):
    prk = hmac.digest(salt, ikm, "sha512")
    return hmac.digest(prk, info + b"\x01", "sha512")[:length]


def bech32m(prefix, data):
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    words = [int(bits[i:i + 5], 2) for i in range(0, len(bits), 5)]
    total = 1
    for word in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + words + [0] * 6:
        top = total >> 25
        total = (total & 0x1ffffff) << 5 ^ word
        for i, term in enumerate([0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]):
            total ^= term if top >> i & 1 else 0
    total ^= 0x2bc830a3
    return prefix + "1" + "".join(LETTERS[w] for w in words + [total >> 5 * (5 - i) & 31 for i in range(6)])


def deal(kind, generation, threshold, values):
    count = len(values)
    heads = [struct.pack(">BB8sIBBB", 1, kind, SET_ID, generation, i + 1, threshold, count) for i in range(count)]
    commitments = [hashlib.sha256(b"sherd share commitment 1" + head[:15] + value).digest()
                   for head, value in zip(heads, values)]
    description = struct.pack(">BB8sIBB", 1, kind, SET_ID, generation, threshold, count) + b"".join(commitments)
    set_commitment = hashlib.sha256(b"sherd share set 1" + description).digest()[:16]
    mac_key = hkdf_sha512(SECRET, SET_ID, b"sherd share mac 1", 32)
    shares = []
    for head, value in zip(heads, values):
        maced = head + value + set_commitment
        shares.append(maced + hmac.digest(mac_key, maced, "sha256")[:16])
    return shares, description


def text(share):
    lines = ""
    for line in range(3):
        chars = bech32m("sherd", bytes([0x31 + line, share[14]]) + share[2:4] + share[27 * line:27 * line + 27])
        lines += " ".join([chars[:6]] + [chars[i:i + 4] for i in range(6, 62, 4)]) + "\n"
    return lines


def shamir_2_of_3(generation):
    return deal(1, generation, 2,
                [bytes(s ^ product(c, x) for s, c in zip(SECRET, COEFFICIENTS)) for x in (1, 2, 3)])


def seeds(folder):
    shares, description = shamir_2_of_3(2)
    sums, _ = deal(2, 1, 2, [COEFFICIENTS, bytes(s ^ c for s, c in zip(SECRET, COEFFICIENTS))])
    first, second = text(shares[0]), text(shares[1])
    lines = first.splitlines(True)
    files = {
        "text": first.encode(), "text-upper": first.upper().encode(), "text-bare": first.replace(" ", "").encode(),
        "text-dashes": first.replace(" ", "-").replace("\n", "\r\n\r\n").encode(), "text-xor": text(sums[1]).encode(),
        "text-swapped": (lines[1] + lines[0] + lines[2]).encode(), "text-missing": (lines[0] + lines[2]).encode(),
        "text-twice": (lines[0] + lines[0] + lines[1] + lines[2]).encode(), "text-two": (first + second).encode(),
        "text-mixed": (lines[0] + lines[1] + second.splitlines(True)[2]).encode(),
        "text-mistyped": first.replace("q", "p", 1).encode(), "text-cut": first[:-10].encode(), "text-empty": b"",
    }
    binary = {"share": shares[0], "share-xor": sums[0], "share-index-0": shares[0][:14] + b"\0" + shares[0][15:],
              "share-format": b"\2" + shares[0][1:], "share-short": shares[0][:-1]}
    sets = {"set": description, "set-short": description[:-1], "set-count": description[:15] + b"\4" + description[16:]}
    # all shares of the set, and one of them changed
    many = {"combine": description + b"".join(shares),
            "combine-forged": description + shares[0] + shares[1][:20] + b"\0" + shares[1][21:] + shares[2],
            "combine-twice": description + shares[1] + shares[1], "combine-one": description + shares[2]}
    for mode, group in enumerate([files, binary, sets, many]):
        for name, content in group.items():
            (folder / name).write_bytes(bytes([mode]) + content)


def main():
    if len(sys.argv) > 1:
        seeds(Path(sys.argv[1]))
        return
    shares, description = shamir_2_of_3(2)
    print("share 2:", shares[1].hex())
    print("set:", description.hex())
    print(text(shares[1]), end="")


if __name__ == "__main__":
    main()
