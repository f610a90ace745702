#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Converts test vectors of C2SP Wycheproof (Apache-2.0) to the text that test_vectors.c reads.

gen.py KIND UPSTREAM.json >FILE.txt      KIND: aes-256-gcm, cobblestone-256, ed25519-verify, hkdf-sha512, hmac-sha512,
                                         ml-dsa-44-sign

A file is one line type=KIND, then records: lines NAME=VALUE, ended by an empty line. A value that is bytes is a list,
separated by blanks, of hexadecimal text and of HH*N: the byte HH, N times. Lines that begin with # are comments.
"""
import hashlib
import json
import sys
import zlib
from pathlib import Path


def packed(text):
    """Hexadecimal text with runs of 64 equal bytes or more written as HH*N."""
    out, at = [], 0
    raw = bytes.fromhex(text)
    while at < len(raw):
        end = at
        while end < len(raw) and raw[end] == raw[at]:
            end += 1
        if end - at >= 64:
            out.append(f"{raw[at]:02x}*{end - at}")
        elif out and "*" not in out[-1]:
            out[-1] += raw[at:end].hex()
        else:
            out.append(raw[at:end].hex())
        at = end
    return " ".join(out)


def record(pairs):
    return "".join(f"{name}={value}\n" for name, value in pairs) + "\n"


def head(test):
    return [("id", test["tcId"]), ("result", test["result"])]


def hmac_sha512(group, test):
    return head(test) + [(k, packed(test[k])) for k in ("key", "msg", "tag")]


def hkdf_sha512(group, test):
    return head(test) + [(k, packed(test[k])) for k in ("ikm", "salt", "info", "okm")] + [("size", test["size"])]


def aes_256_gcm(group, test):
    if group["keySize"] != 256 or group["ivSize"] != 96 or group["tagSize"] != 128:
        return None
    return head(test) + [(k, packed(test[k])) for k in ("key", "iv", "aad", "msg", "ct", "tag")]


def ed25519_verify(group, test):
    return head(test) + [("public", group["publicKey"]["pk"])] + [(k, packed(test[k])) for k in ("msg", "sig")]


def cobblestone_256(group, test):
    """The upstream ciphertext is compressed; the message is given by its length and SHA-512."""
    out = head(test) + [("flags", " ".join(test["flags"]))]
    out += [("key", test["key"]), ("ctx", test["ctx"])]
    out += [("ct", packed(zlib.decompress(bytes.fromhex(test["ct"])).hex()))]
    return out + [(k, test[k]) for k in ("aeadKey", "baseNonce", "msgLength", "msgSha512") if k in test]


def ml_dsa_44_sign(group, test):
    """Deterministic signatures without a context; long values by their SHA-256."""
    if test["result"] != "valid" or "msg" not in test or "ctx" in test or "rnd" in test:
        return None
    out = head(test) + [("seed", packed(group["privateSeed"])), ("msg", packed(test["msg"]))]
    return out + [
        (name, hashlib.sha256(bytes.fromhex(value)).hexdigest())
        for name, value in (("publicSha256", group["publicKey"]), ("sigSha256", test["sig"]))
    ]


KINDS = {
    "aes-256-gcm": aes_256_gcm,
    "cobblestone-256": cobblestone_256,
    "ed25519-verify": ed25519_verify,
    "hkdf-sha512": hkdf_sha512,
    "hmac-sha512": hmac_sha512,
    "ml-dsa-44-sign": ml_dsa_44_sign,
}


def main(kind, path):
    upstream = json.loads(Path(path).read_text(encoding="utf-8"))
    print(f"# Made by gen.py {kind} from testvectors_v1/{Path(path).name}")
    print("# of C2SP Wycheproof, https://github.com/C2SP/wycheproof, Copyright the Wycheproof contributors.")
    print("# SPDX-License-Identifier: Apache-2.0")
    print(f"type={kind}\n")
    for group in upstream["testGroups"]:
        for test in group["tests"]:
            pairs = KINDS[kind](group, test)
            if pairs:
                sys.stdout.write(record(pairs))


if __name__ == "__main__":
    main(*sys.argv[1:])
