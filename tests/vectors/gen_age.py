#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes age_files.txt: files of age, good ones and one for each defect, built from the specification (C2SP age) by
code that shares nothing with ours. Needs Debian's python3-cryptography.

gen_age.py >age_files.txt

A record is lines NAME=VALUE, ended by an empty line: name; expect (ok, denied, tampered, limit, unsupported); identity
or passphrase; for ok the sha256 of the contents; file, as hexadecimal text and HH*N, the byte HH N times, with blanks
between them.
"""
import base64
import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RAW = (Encoding.Raw, PublicFormat.Raw)
FILE_KEY = b"sherd: file key."
OWN = bytes(range(1, 33))
OTHER = bytes(range(101, 133))
EPHEMERAL = bytes(range(201, 233))
NONCE = b"sherd's nonce 16"
SALT = b"sherd's salt 16."
PASSPHRASE = b"nine sherds, no pot"
CHUNK = 65536


# --- primitives ------------------------------------------------------------------------------------------------------

def bech32(prefix, data):
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

    def polymod(values):
        check = 1
        for value in values:
            top = check >> 25
            check = (check & 0x1ffffff) << 5 ^ value
            for i, generator in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
                check ^= generator if top >> i & 1 else 0
        return check

    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    words = [int(bits[i:i + 5], 2) for i in range(0, len(bits), 5)]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = polymod(expanded + words + [0] * 6) ^ 1
    words += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return prefix + "1" + "".join(letters[word] for word in words)


def hkdf(ikm, salt, info):
    prk = hmac.digest(salt or bytes(32), ikm, "sha256")
    return hmac.digest(prk, info + b"\x01", "sha256")


def seal(key, plain, nonce=bytes(12)):
    return ChaCha20Poly1305(key).encrypt(nonce, plain, None)


def b64(data):
    return base64.b64encode(data).rstrip(b"=")


def public(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(*RAW)


# --- the parts of a file ----------------------------------------------------------------------------------------------

def stanza(args, body):
    """A recipient's lines; body is bytes to encode."""
    text = b64(body)
    lines = [text[i:i + 64] for i in range(0, len(text), 64)] or [b""]
    if len(lines[-1]) == 64:
        lines.append(b"")
    return b"-> " + b" ".join(args) + b"\n" + b"".join(line + b"\n" for line in lines)


def wrap_key(recipient, ephemeral=EPHEMERAL):
    shared = X25519PrivateKey.from_private_bytes(ephemeral).exchange(X25519PublicKey.from_public_bytes(recipient))
    return hkdf(shared, public(ephemeral) + recipient, b"age-encryption.org/v1/X25519")


def x25519(recipient=None, file_key=FILE_KEY, **changes):
    """A stanza for a recipient. changes: kind, share (its text), extra (arguments), body (its bytes)."""
    body = changes.get("body", seal(wrap_key(recipient or public(OWN)), file_key))
    args = [changes.get("kind", b"X25519"), changes.get("share", b64(public(EPHEMERAL)))] + changes.get("extra", [])
    return stanza(args, body)


def scrypt(log=10, file_key=FILE_KEY, **changes):
    """A stanza for the passphrase. changes: kind, salt and work (their texts), extra, body, passphrase."""
    key = hashlib.scrypt(changes.get("passphrase", PASSPHRASE), salt=b"age-encryption.org/v1/scrypt" + SALT,
                         n=1 << log, r=8, p=1, dklen=32)
    args = [changes.get("kind", b"scrypt"), changes.get("salt", b64(SALT)), changes.get("work", b"%d" % log)]
    return stanza(args + changes.get("extra", []), changes.get("body", seal(key, file_key)))


def mac(covered, file_key=FILE_KEY):
    return hmac.digest(hkdf(file_key, b"", b"header"), covered, "sha256")


def header(*stanzas, version=b"age-encryption.org/v1\n", end=None, file_key=FILE_KEY):
    """end: what replaces the blank, the MAC and the line feed; a function of the MAC."""
    covered = version + b"".join(stanzas) + b"---"
    value = mac(covered, file_key)
    return covered + (end(value) if end else b" " + b64(value) + b"\n")


def chunk_nonce(index, last):
    return index.to_bytes(11, "big") + bytes([last])


def chunk(index, last, plain=None, size=0):
    """A sealed chunk. Without plain: size bytes that are sealed to zeros, so that they take little room here."""
    key = hkdf(FILE_KEY, NONCE, b"payload")
    nonce = chunk_nonce(index, last)
    if plain is None:
        plain = seal(key, bytes(size), nonce)[:size]
    return seal(key, plain, nonce), plain


def payload(*sizes):
    """A whole payload, of chunks of these sizes, and its contents."""
    parts = [chunk(i, i == len(sizes) - 1, size=size) for i, size in enumerate(sizes)]
    return NONCE + b"".join(part[0] for part in parts), b"".join(part[1] for part in parts)


TEXT = b"the anchor's third share"
SMALL = NONCE + chunk(0, True, TEXT)[0]


def armor(data, line=64, feed=b"\n", front=b"-----BEGIN AGE ENCRYPTED FILE-----",
          back=b"-----END AGE ENCRYPTED FILE-----"):
    text = base64.b64encode(data)
    lines = [front] + [text[i:i + line] for i in range(0, len(text), line)] + [back]
    return feed.join(lines) + feed


# --- cases ------------------------------------------------------------------------------------------------------------

def packed(raw):
    """Hexadecimal text with runs of 64 equal bytes or more written as HH*N."""
    out, at, start = [], 0, 0
    while at < len(raw):
        end = at
        while end < len(raw) and raw[end] == raw[at]:
            end += 1
        if end - at >= 64:
            out += [raw[start:at].hex()] * (at > start) + [f"{raw[at]:02x}*{end - at}"]
            start = end
        at = end
    return " ".join(out + [raw[start:].hex()] * (len(raw) > start))


def case(name, expect, file, contents=TEXT, passphrase=None):
    print(f"name={name}\nexpect={expect}")
    print(f"passphrase={passphrase.decode()}" if passphrase else f"identity={bech32('age-secret-key-', OWN).upper()}")
    if expect == "ok":
        print(f"sha256={hashlib.sha256(contents).hexdigest()}")
    print(f"file={packed(file)}\n")


def whole(*stanzas, **options):
    return header(*stanzas, **options) + SMALL


def recipients():
    unknown = stanza([b"example.org/other", b"!", b"~" * 200], bytes(range(33)))
    good = whole(x25519())
    bad_body = bytearray(seal(wrap_key(public(OWN)), FILE_KEY))
    bad_body[7] ^= 1
    share = b64(public(EPHEMERAL))
    # the last letter of 43 carries two bits that are nothing
    loose = share[:-1] + bytes([b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".index(share[-1:]) + 1]])

    case("one recipient", "ok", good)
    case("the second of two", "ok", whole(x25519(public(OTHER)), x25519()))
    case("the first of two", "ok", whole(x25519(), x25519(public(OTHER))))
    case("the same twice", "ok", whole(x25519(), x25519()))
    case("unknown kinds around", "ok", whole(unknown, x25519(), unknown))
    case("another's file", "denied", whole(x25519(public(OTHER))))
    case("unknown kinds only", "denied", whole(unknown, unknown))
    case("a passphrase's file", "denied", whole(scrypt()))
    case("kind in lower case", "denied", whole(x25519(kind=b"x25519")))
    case("kind with a letter more", "denied", whole(x25519(kind=b"X25519x")))
    case("body changed", "denied", whole(x25519(body=bytes(bad_body))))
    case("an argument more", "tampered", whole(x25519(extra=[b"1"])))
    case("an argument less", "tampered", whole(stanza([b"X25519"], bytes(32))))
    case("share short", "tampered", whole(x25519(share=b64(bytes(range(31))))))
    case("share long", "tampered", whole(x25519(share=b64(public(EPHEMERAL) + b"\0"))))
    case("share padded", "tampered", whole(x25519(share=share + b"=")))
    case("share with loose bits", "tampered", whole(x25519(share=loose)))
    case("share of low order", "tampered", whole(x25519(share=b64(bytes(32)))))
    case("share of order 8", "tampered", whole(x25519(share=b64(bytes.fromhex(
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")))))
    case("file key long", "tampered", header(x25519(file_key=FILE_KEY + b"1"), file_key=FILE_KEY + b"1") + SMALL)
    case("file key short", "tampered", header(x25519(file_key=FILE_KEY[:-1]), file_key=FILE_KEY[:-1]) + SMALL)
    case("body empty", "tampered", whole(x25519(body=b"")))
    case("malformed after a match", "tampered", whole(x25519(), x25519(extra=[b"1"])))
    case("256 recipients", "ok", whole(*[stanza([b"x"], b"")] * 255, x25519()))
    case("257 recipients", "limit", whole(*[stanza([b"x"], b"")] * 256, x25519()))


def passphrases():
    def one(name, expect, *stanzas):
        case(name, expect, whole(*stanzas), passphrase=PASSPHRASE)

    changed = bytearray(scrypt())
    changed[-5] = ord("A") if changed[-5] != ord("A") else ord("B")
    one("passphrase", "ok", scrypt())
    one("passphrase, least work", "ok", scrypt(1))
    one("passphrase, another", "denied", scrypt(passphrase=b"nine sherds, one pot"))
    one("passphrase, body changed", "denied", bytes(changed))
    one("passphrase, another work", "denied", scrypt(work=b"11"))
    one("passphrase, for a recipient", "denied", x25519())
    one("passphrase, kind in upper case", "denied", scrypt(kind=b"SCRYPT"))
    one("passphrase, an argument more", "tampered", scrypt(extra=[b"1"]))
    one("passphrase, no work", "tampered", stanza([b"scrypt", b64(SALT)], bytes(32)))
    one("passphrase, no arguments", "tampered", stanza([b"scrypt"], bytes(32)))
    one("passphrase, salt short", "tampered", scrypt(salt=b64(SALT[:-1])))
    one("passphrase, salt long", "tampered", scrypt(salt=b64(SALT + b"1")))
    one("passphrase, salt padded", "tampered", scrypt(salt=b64(SALT) + b"=="))
    one("passphrase, salt with loose bits", "tampered", scrypt(salt=b64(SALT)[:-1] + b"h"))
    one("passphrase, file key long", "tampered", scrypt(file_key=FILE_KEY + b"1"))
    one("passphrase, body empty", "tampered", scrypt(body=b""))
    for work in (b"0", b"00", b"010", b"0x0a", b"+10", b"-10", b"10a", b"a10", b"1e1", b"10.0", b"1_0"):
        one(f"passphrase, work {work.decode()}", "tampered", scrypt(work=work))
    for work in (b"23", b"64", b"4294967306", b"18446744073709551626", b"9" * 100):
        one(f"passphrase, work {work.decode()}", "limit", scrypt(work=work))
    one("passphrase twice", "tampered", scrypt(), scrypt())
    one("passphrase before a recipient", "tampered", scrypt(), x25519())
    one("passphrase after a recipient", "tampered", x25519(), scrypt())
    case("recipient before a passphrase", "tampered", whole(x25519(), scrypt()))
    case("recipient after a passphrase", "tampered", whole(scrypt(), x25519()))


def headers():
    def lines(name, expect, raw):
        """Lines of an unknown recipient, before a good one."""
        case("lines: " + name, expect, whole(raw, x25519()))

    good = x25519()
    case("version 2", "unsupported", whole(good, version=b"age-encryption.org/v2\n"))
    case("version 10", "unsupported", whole(good, version=b"age-encryption.org/v10\n"))
    case("version none", "tampered", whole(good, version=b"age-encryption.org/\n"))
    case("version blank", "tampered", whole(good, version=b"age-encryption.org/v1 \n"))
    case("version cr lf", "tampered", whole(good, version=b"age-encryption.org/v1\r\n"))
    case("version of another", "tampered", whole(good, version=b"age-encryption.com/v1\n"))
    case("version in upper case", "tampered", whole(good, version=b"AGE-encryption.org/v1\n"))
    case("line before the version", "tampered", whole(good, version=b"\nage-encryption.org/v1\n"))
    case("line after the version", "tampered", whole(good, version=b"age-encryption.org/v1\n\n"))
    case("all cr lf", "tampered", header(good).replace(b"\n", b"\r\n") + SMALL)
    case("no recipient", "tampered", whole())
    case("nothing", "tampered", b"")
    case("version alone", "tampered", b"age-encryption.org/v1\n")
    case("version without an end", "tampered", b"age-encryption.org/v1")

    lines("body of one line and an empty one", "ok", stanza([b"x"], bytes(48)))
    lines("body of two lines and an empty one", "ok", stanza([b"x"], bytes(96)))
    lines("body of many lines", "ok", stanza([b"x"], bytes(range(256)) * 8))
    lines("no body", "ok", b"-> x\n\n")
    lines("every character that prints", "ok", b"-> " + bytes(range(0x21, 0x7f)) + b"\n\n")
    lines("many arguments", "ok", b"-> " + b" ".join([b"x"] * 500) + b"\n\n")
    lines("no blank after the arrow", "tampered", b"->x\n\n")
    lines("two blanks after the arrow", "tampered", b"->  x\n\n")
    lines("two blanks between", "tampered", b"-> x  y\n\n")
    lines("a blank at the end", "tampered", b"-> x \n\n")
    lines("a blank in front", "tampered", b" -> x\n\n")
    lines("no argument", "tampered", b"-> \n\n")
    lines("arrow alone", "tampered", b"->\n\n")
    lines("another arrow", "tampered", b"=> x\n\n")
    lines("a tab between", "tampered", b"-> x\ty\n\n")
    lines("a zero byte", "tampered", b"-> x\0y\n\n")
    lines("a delete", "tampered", b"-> x\x7f\n\n")
    lines("a letter beyond ASCII", "tampered", "-> ä\n\n".encode())
    lines("a carriage return", "tampered", b"-> x\r\n\n")
    lines("body missing", "tampered", b"-> x\n")
    lines("last line missing", "tampered", b"-> x\n" + b"A" * 64 + b"\n")
    lines("line of 65", "tampered", b"-> x\n" + b"A" * 65 + b"\n\n")
    lines("line of 68", "tampered", b"-> x\n" + b"A" * 68 + b"\n\n")
    lines("two short lines", "tampered", b"-> x\nAAAA\nAAAA\n")
    lines("an empty line more", "tampered", b"-> x\nAAAA\n\n")
    lines("padding", "tampered", b"-> x\nAA==\n")
    lines("loose bits", "tampered", b"-> x\nAB\n")
    lines("one letter over", "tampered", b"-> x\nAAAAA\n")
    lines("letters for URLs", "tampered", b"-> x\nAA-_\n")
    lines("a blank in the body", "tampered", b"-> x\nAA AA\n")
    lines("a carriage return in the body", "tampered", b"-> x\nAAAA\r\n")

    def mac_end(name, end):
        case("mac: " + name, "tampered", whole(good, end=end))

    mac_end("changed", lambda value: b" " + b64(bytes([value[0] ^ 1]) + value[1:]) + b"\n")
    mac_end("all zero", lambda value: b" " + b64(bytes(32)) + b"\n")
    mac_end("missing", lambda value: b"\n")
    mac_end("missing after the blank", lambda value: b" \n")
    mac_end("no blank", lambda value: b64(value) + b"\n")
    mac_end("two blanks", lambda value: b"  " + b64(value) + b"\n")
    mac_end("a blank after it", lambda value: b" " + b64(value) + b" \n")
    mac_end("padded", lambda value: b" " + b64(value) + b"=\n")
    mac_end("short", lambda value: b" " + b64(value[:31]) + b"\n")
    mac_end("long", lambda value: b" " + b64(value + b"\0") + b"\n")
    mac_end("cr lf", lambda value: b" " + b64(value) + b"\r\n")
    mac_end("no end of line", lambda value: b" " + b64(value))
    mac_end("loose bits", lambda value: b" " + b64(value)[:-1] + bytes([b64(value)[-1] + 1]) + b"\n")
    case("mac: of another file key", "tampered", header(good, file_key=bytes(16)) + SMALL)
    case("mac: over a recipient less", "tampered", whole(good).replace(b"/v1\n", b"/v1\n-> x\n\n", 1))


def payloads():
    front = header(x25519())
    full = chunk(0, False, size=CHUNK)[0]

    for sizes in ((0,), (1,), (CHUNK - 1,), (CHUNK,), (CHUNK, 1), (CHUNK, CHUNK), (CHUNK, CHUNK, 5),
                  (CHUNK,) * 300 + (7,)):
        data, contents = payload(*sizes)
        case(f"payload of {sum(sizes)} bytes", "ok", front + data, contents)
    case("payload missing", "tampered", front)
    case("nonce short", "tampered", front + NONCE[:15])
    case("nonce alone", "tampered", front + NONCE)
    case("nonce changed", "tampered", front + b"S" + SMALL[1:])
    case("tag short", "tampered", front + SMALL[:16 + 15])
    case("a byte less", "tampered", front + SMALL[:-1])
    case("a byte more", "tampered", front + SMALL + b"\0")
    case("tag changed", "tampered", front + SMALL[:-1] + bytes([SMALL[-1] ^ 1]))
    case("not marked as the last", "tampered", front + NONCE + chunk(0, False, TEXT)[0])
    case("last chunk empty", "tampered", front + NONCE + full + chunk(1, True, b"")[0])
    case("last chunk cut off", "tampered", front + NONCE + full)
    case("last chunk's tag cut off", "tampered", front + NONCE + full + chunk(1, True, TEXT)[0][:15])
    case("first chunk cut off", "tampered", front + NONCE + chunk(1, True, TEXT)[0])
    case("first chunk short", "tampered", front + NONCE + chunk(0, False, TEXT)[0] + chunk(1, True, TEXT)[0])
    case("second chunk's tag changed", "tampered",
         front + NONCE + full + chunk(1, True, TEXT)[0][:-1] + bytes([chunk(1, True, TEXT)[0][-1] ^ 1]))
    case("second chunk counted as the third", "tampered", front + NONCE + full + chunk(2, True, TEXT)[0])
    case("two last chunks", "tampered", front + NONCE + chunk(0, True, size=CHUNK)[0] + chunk(1, True, TEXT)[0])
    case("the first chunk twice", "tampered", front + NONCE + full + full + chunk(2, True, TEXT)[0])
    case("a byte after a full last chunk", "tampered", front + payload(CHUNK)[0] + b"\0")
    case("a tag's worth after a full last chunk", "tampered", front + payload(CHUNK)[0] + bytes(16))


def armors():
    good = whole(x25519())
    text = armor(good)
    body = text.split(b"\n")

    def changed(at, line):
        return b"\n".join(body[:at] + line + body[at + 1:])

    def padded(size):
        """A file whose armor ends in a line of a chosen length."""
        sizes = {len(header(x25519()) + payload(n)[0]) % 48: n for n in range(48)}
        return header(x25519()) + payload(sizes[size % 48])[0], payload(sizes[size % 48])[1]

    case("armor", "ok", text)
    case("armor, cr lf", "ok", armor(good, feed=b"\r\n"))
    case("armor, no end of the last line", "ok", text[:-1])
    case("armor, white space around", "ok", b" \n\t\r\n" + text + b"\n\r\n \t")
    for size in (0, 1, 2, 3, 47):
        data, contents = padded(size)
        case(f"armor, last line of {size or 48} bytes", "ok", armor(data), contents)
    case("armor, passphrase", "ok", armor(whole(scrypt())), passphrase=PASSPHRASE)
    case("armor, another's file", "denied", armor(whole(x25519(public(OTHER)))))
    case("armor around nothing", "tampered", armor(b""))
    case("armor around armor", "tampered", armor(text))
    case("armor around garbage", "tampered", armor(good + b"\0"))
    case("armor: text before", "tampered", b"text\n" + text)
    case("armor: text after", "tampered", text + b"text\n")
    case("armor: twice", "tampered", text + text)
    case("armor: an empty line at the front", "tampered", changed(1, [b"", body[1]]))
    case("armor: an empty line at the back", "tampered", changed(len(body) - 2, [b"", body[-2]]))
    case("armor: an empty line between", "tampered", changed(3, [b"", body[3]]))
    case("armor: a header", "tampered", changed(1, [b"Comment: none", b"", body[1]]))
    case("armor: a blank at the end of a line", "tampered", changed(2, [body[2] + b" "]))
    case("armor: a blank in front of a line", "tampered", changed(2, [b" " + body[2]]))
    case("armor: a blank after the last line", "tampered", changed(len(body) - 3, [body[-3] + b" "]))
    case("armor: a line of 63", "tampered", changed(2, [body[2][:63], body[2][63:]]))
    case("armor: a line of 60", "tampered", changed(2, [body[2][:60], body[2][60:]]))
    case("armor: lines of 68", "tampered", armor(good, line=68))
    case("armor: lines of 32", "tampered", armor(good, line=32))
    case("armor: a letter that is none", "tampered", changed(2, [b"!" + body[2][1:]]))
    case("armor: a carriage return alone", "tampered", text.replace(b"\n", b"\r"))
    case("armor: begins in lower case", "tampered", text.replace(b"BEGIN AGE", b"begin age"))
    case("armor: ends in lower case", "tampered", text.replace(b"END AGE", b"end age"))
    case("armor: another label", "tampered", text.replace(b"AGE ENCRYPTED FILE", b"AGE ENCRYPTED DATA"))
    case("armor: blanks in the first line", "tampered", text.replace(b"-----BEGIN AGE ENCRYPTED FILE-----",
                                                                      b"----- BEGIN AGE ENCRYPTED FILE -----"))
    case("armor: blanks in the closing line", "tampered", text.replace(b"-----END AGE ENCRYPTED FILE-----",
                                                                        b"----- END AGE ENCRYPTED FILE -----"))
    case("armor: no closing line", "tampered", b"\n".join(body[:-2]) + b"\n")
    case("armor: first line alone", "tampered", body[0] + b"\n")
    one, _ = padded(1)
    case("armor: no padding", "tampered", armor(one).replace(b"=", b""))
    case("armor: too little padding", "tampered", armor(one).replace(b"==", b"="))
    case("armor: padding broken over lines", "tampered", armor(one).replace(b"==", b"=\n="))
    case("armor: padding in a line between", "tampered", changed(2, [body[2][:62] + b"==", body[3]]))
    case("armor: loose bits", "tampered", armor(one).replace(b"==", b"==", 1).replace(
        armor(one).split(b"\n")[-3], armor(one).split(b"\n")[-3][:-3] +
        bytes([armor(one).split(b"\n")[-3][-3] + 1]) + b"=="))
    case("armor: a checksum as OpenPGP has", "tampered", changed(len(body) - 2, [b"=AAAA", body[-2]]))


print("# Made by gen_age.py from the specification https://c2sp.org/age\n# SPDX-License-Identifier: Apache-2.0\n")
recipients()
passphrases()
headers()
payloads()
armors()
