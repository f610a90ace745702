#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the fuzz targets whose inputs are bytes that no person would type: fuzz/corpus/<target>/<name>.

seeds.py [FOLDER]; without one, into the corpus beside this file. The bytes follow docs/format/.
"""
import base64
import hashlib
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "vectors"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "integration"))
import gen_share  # noqa: E402
import tlog  # noqa: E402


def item(tag, value):
    return struct.pack(">BH", tag, len(value)) + value


def number(tag, value):
    return item(tag, struct.pack(">Q", value))


def attribute(name, value):
    return bytes([len(name)]) + name + struct.pack(">H", len(value)) + value


COLLECTION = item(3, b"\xc0" * 16)
ENTITY = item(4, b"\xe0" * 16)
RECORD = item(5, b"\x4d" * 16)
TIME = number(12, 1699999980)
DIGEST = item(13, b"\xd1" * 32)
WRAPPED = item(14, b"\x33" * 104)
ATTRIBUTES = attribute(b"a", b"x") + attribute(b"bb", b"")
MANY_ATTRIBUTES = b"".join(attribute(b"%02d" % i, b"v" * 62) for i in range(64))


X25519 = b"\x00\x20" + b"\x25" * 32
XWING = b"\x64\x7a" + b"\x65" * 1216


def a_map(attributes, content_type=b"text/plain", blob=1, recipient=b"", content_bytes=100000):
    return (COLLECTION + ENTITY + RECORD + number(6, 7) + item(8, b"\xd0" * 16) + item(9, b"\x51" * 32) +
            number(10, content_bytes) + number(11, 102496) + TIME + item(21, b"pat") +
            (item(22, content_type) if content_type else b"") + (item(23, attributes) if attributes else b"") +
            number(26, blob) + (item(48, recipient) if recipient else b""))


def a_pin(version=7, oldest=5, idempotency=True):
    return (COLLECTION + ENTITY + RECORD + number(6, version) + number(7, oldest) + number(11, 102496) + TIME + DIGEST +
            WRAPPED + number(15, 1) + number(16, 1) + (item(17, b"\x1d" * 16) if idempotency else b"") +
            item(27, b"\xa1" * 16) + number(29, 9))


MASTER = item(28, b"\x5a" * 16)


def an_entity(entity_id=b"pat", wrapped=WRAPPED, state=0, derived=0):
    return (COLLECTION + ENTITY + number(6, 4) + number(7, 2) + wrapped + (item(21, entity_id) if entity_id else b"") +
            MASTER + number(29, 9) + number(30, state) + number(31, derived))


RULES = COLLECTION + item(18, b"logs.v1") + number(19, 3) + number(20, 1)

NAMED_KEY = item(33, b"\x4e" * 16)
PRINCIPAL = item(36, b"\x9a" * 16)


def a_principal(name, credential):
    tlv = item(1, b"\x7e" * 16) + TIME + item(25, name) + PRINCIPAL + number(37, credential)
    if credential != 1:
        tlv += item(38, b"\xbc" * 32)
    if credential == 2:
        tlv += number(39, 1) + number(40, 17) + number(41, 8) + number(42, 1) + item(43, b"\x5a" * 16)
    return tlv + number(44, 0)


def link_record(role=b"parent", version=2):
    return bytes([1, len(role)]) + role + b"\x4e" * 16 + struct.pack(">Q", version) + b"\xd2" * 32


def link_entity(role=b""):
    return bytes([2, len(role)]) + role + b"\xc0" * 16 + b"\xe1" * 16


LINKS = link_record() + link_entity()
FIRST = item(49, b"\xd3" * 32)


def a_linked_map(placement, links=LINKS, recipient=b""):
    return (COLLECTION + ENTITY + RECORD + number(6, 7) + item(8, b"\xd0" * 16) + item(9, b"\x51" * 32) +
            number(10, 3) + number(11, 160) + TIME + number(26, placement) + item(47, links) +
            (item(48, recipient) if recipient else b"") + FIRST)


def an_event(kind=2, more=b""):
    return number(1, kind) + item(2, b"\x1d" * 16) + number(3, 1699999980000000000) + more


RECORD_EVENT = an_event(3, number(4, 7) + item(6, b"\x4d" * 16) + item(7, b"\xc0" * 16) + item(8, b"\xe0" * 16) +
                        item(9, b"\x9a" * 16) + item(10, b"\xd0" * 16) + item(11, b"\xd1" * 32) +
                        item(12, b"\xf0" * 16) + item(13, b"\xf1" * 32))
DELTA = item(1, b"\xde" * 32)


def listed(*items):
    return b"".join(struct.pack(">H", len(each)) + each for each in items)


def a_leaf(kind=2, more=b"", sealed=b"\x99" * 232):
    return (number(1, 1) + number(2, kind) + item(3, b"\x1d" * 16) + number(4, 1699999980) + more + item(20, sealed))


# kind, compartment (1 to 4), payload bytes, TLV
PAYLOADS = {
    "compartment": (1, 3, 192, item(1, b"\x7e" * 16) + item(2, b"\xcc" * 16)),
    "map": (2, 2, 384, a_map(ATTRIBUTES)),
    "map-bare": (2, 2, 384, a_map(b"", b"", 0)),
    "map-long": (3, 2, 5120, a_map(MANY_ATTRIBUTES)),
    "map-recipient": (2, 2, 384, a_map(ATTRIBUTES, recipient=X25519)),
    "map-recipient-pq": (3, 2, 5120, a_map(ATTRIBUTES, recipient=XWING)),
    "map-recipient-cut": (2, 2, 384, a_map(ATTRIBUTES, recipient=X25519[:-1])),
    "map-recipient-length": (2, 2, 384, a_map(ATTRIBUTES, recipient=X25519, content_bytes=103)),
    "collection": (4, 2, 256, RULES + number(31, 0)),
    "collection-derived": (4, 2, 256, RULES + number(31, 1) + item(32, b"eu-2.a")),
    "pin": (5, 4, 352, a_pin()),
    "pin-first": (5, 4, 352, a_pin(1, 1, False)),
    "pin-oldest-above": (5, 4, 352, a_pin(7, 8)),
    "old-pin": (6, 4, 352, a_pin(3, 1)),
    "entity-key": (7, 4, 384, an_entity()),
    "entity-key-default": (7, 4, 384, an_entity(b"")),
    "entity-key-derived": (7, 4, 384, an_entity(wrapped=b"", derived=1)),
    "entity-key-erased": (7, 4, 384, an_entity(b"", b"", 1)),
    "entity-key-erased-with-id": (7, 4, 384, an_entity(b"pat", b"", 1)),
    "collection-pin": (8, 4, 192, COLLECTION + DIGEST),
    "idempotency": (9, 4, 192, COLLECTION + RECORD + item(24, b"\x3a" * 32)),
    "principal": (10, 1, 320, a_principal(b"owner", 1)),
    "principal-passphrase": (10, 1, 320, a_principal(b"alice", 2)),
    "principal-key": (10, 1, 320, a_principal(b"bob", 3)),
    "keyring-pin": (11, 4, 192, DIGEST),
    "entity-lookup": (12, 4, 192, COLLECTION + ENTITY + MASTER),
    "old-entity-key": (13, 4, 384, an_entity()),
    "named-key": (14, 4, 192, TIME + NAMED_KEY + item(35, b"pay") + PRINCIPAL + number(45, 3)),
    "principal-pin": (16, 4, 192, DIGEST + item(25, b"alice") + PRINCIPAL + number(44, 0)),
    "grant": (17, 4, 192, NAMED_KEY + PRINCIPAL + number(45, 3) + number(46, 5)),
    "key-uses": (20, 4, 192, MASTER + number(58, 1000) + number(59, 258)),
    "key-uses-more-entities": (20, 4, 192, MASTER + number(58, 7) + number(59, 8)),
    "map-row": (2, 2, 384, a_linked_map(2)),
    "map-links": (2, 2, 384, a_linked_map(0)),
    "map-links-cut": (2, 2, 384, a_linked_map(0, LINKS[:-1])),
    "map-row-recipient": (2, 2, 384, a_linked_map(2, recipient=X25519)),
    "collection-readable": (4, 2, 256, RULES + number(31, 0) + number(50, 1)),
    "row-sum": (25, 4, 192, COLLECTION + number(51, 12) + item(52, b"\xd1" * 32)),
    "pending": (18, 4, 320, DELTA + item(2, listed(RECORD_EVENT))),
    "pending-bare": (18, 4, 320, DELTA),
    "pending-long": (19, 4, 5120, DELTA + item(2, listed(*[RECORD_EVENT] * 16))),
    "pending-event-cut": (18, 4, 320, DELTA + item(2, listed(RECORD_EVENT)[:-1])),
    "pending-event-unknown": (18, 4, 320, DELTA + item(2, listed(an_event(99)))),
    "pin-under-key": (5, 4, 352, a_pin() + NAMED_KEY + number(34, 6)),
}


def mask(*tags):
    return struct.pack(">Q", sum(1 << tag for tag in tags))


def tlv_seeds():
    yield "two-items", mask(1, 63) + mask() + item(1, b"abc") + item(63, b"z")
    yield "optional", mask(1) + mask(2, 3) + item(1, b"a") + item(3, b"b" * 300)
    yield "nothing", mask() + mask(1)
    yield "descending", mask(1, 2) + mask() + item(2, b"a") + item(1, b"a")
    yield "empty-value", mask(1) + mask(2) + item(1, b"a") + item(2, b"")
    yield "cut", mask(1) + mask() + item(1, b"abcdef")[:-1]
    yield "numbers", mask(1, 2) + mask() + number(1, 0) + number(2, 2**64 - 1)


def entry_seeds():
    for name, (kind, compartment, size, tlv) in PAYLOADS.items():
        framed = struct.pack(">H", len(tlv)) + tlv
        yield name, bytes([1, compartment - 1, kind]) + framed
        stored = bytes([1, kind, 0, 1, 0, 0, 0, 1]) + b"\x99" * (size + 72)
        yield "stored-" + name, bytes([0, compartment - 1]) + stored
    pin = PAYLOADS["pin"][3]
    yield "padding-not-zero", bytes([1, 3, 5]) + (struct.pack(">H", len(pin)) + pin).ljust(351, b"\0") + b"\1"
    yield "length-past-the-end", bytes([1, 3, 5]) + struct.pack(">H", 351) + pin
    yield "stored-of-another-length", bytes([0, 3, 1, 5, 0, 1, 0, 0, 0, 1]) + b"\x99" * 391


def fragment_seeds():
    head = bytes([1, 128, 0, 1, 0, 0, 0, 0]) + b"\x5e" * 32 + b"\x5a" * 56
    yield "head", head
    yield "empty", head + b"\x77" * 16
    yield "short", head + b"\x77" * 1000
    yield "full-chunk", head + b"\x77" * 16400
    yield "two-chunks", head + b"\x77" * 16417
    yield "cut-head", head[:95]
    yield "other-suite", bytes([1, 128, 0, 2]) + head[4:]


def attribute_seeds():
    yield "none", b""
    yield "two", ATTRIBUTES
    yield "most", MANY_ATTRIBUTES
    yield "twice", attribute(b"a", b"") * 2
    yield "descending", attribute(b"b", b"1") + attribute(b"a", b"1")
    yield "prefix", attribute(b"a", b"1") + attribute(b"ab", b"2") + attribute(b"b", b"3")
    yield "zero-in-name", attribute(b"a\0", b"")
    yield "cut", attribute(b"a", b"xyz")[:-1]


def links_seeds():
    yield "none", b""
    yield "two", LINKS
    yield "most", link_entity() * 16
    yield "too-many", link_entity() * 17
    yield "longest-role", link_record(b"r" * 31)
    yield "role-too-long", link_record(b"r" * 32)
    yield "zero-in-role", link_entity(b"a\0")
    yield "no-kind", b"\3" + LINKS[1:]
    yield "cut", LINKS[:-1]


def a_row(content=b"abc", attributes=ATTRIBUTES, links=LINKS, content_bytes=None, more=b""):
    tlv = (item(1, b"\xde" * 16) + COLLECTION + RECORD + number(6, 2) +
           number(10, len(content) if content_bytes is None else content_bytes) + TIME + item(18, b"t") +
           item(22, b"text/plain") + (item(23, attributes) if attributes else b"") +
           (item(47, links) if links else b"") + FIRST + more)
    return bytes([1, 129, 0, 2]) + struct.pack(">HH", len(tlv), 0) + tlv + content + b"\x51" * 64


def row_seeds():
    yield "row", a_row()
    yield "bare", a_row(b"", b"", b"")
    yield "attributes", a_row(attributes=MANY_ATTRIBUTES)
    yield "content-longer", a_row(content_bytes=4)
    yield "content-huge", a_row(content_bytes=2**64 - 1)
    yield "attributes-twice", a_row(attributes=attribute(b"a", b"") * 2)
    yield "links-cut", a_row(links=LINKS[:-1])
    yield "tag-more", a_row(more=item(63, b"x"))
    yield "byte-more", a_row() + b"\0"
    yield "cut", a_row()[:-1]
    yield "sealed-suite", bytes([1, 129, 0, 1]) + a_row()[4:]
    yield "reserved", a_row()[:7] + b"\1" + a_row()[8:]


def leaf_seeds():
    yield "committed", a_committed_leaf(b"\1")
    subject = item(7, b"\x5b" * 16)
    yield "put", a_leaf(2, number(5, 1) + subject + item(9, b"\xc1" * 32) + item(10, b"\xc2" * 32))
    yield "grant", a_leaf(13, number(6, 3) + subject + item(8, b"\xac" * 16))
    yield "genesis", a_leaf(1)
    yield "kind-unknown", a_leaf(99)
    yield "cut", a_leaf(2, subject)[:-1]
    yield "descending", a_leaf(2, item(8, b"\xac" * 16) + subject)
    yield "not-sealed", a_leaf(2, subject, b"")


def inventory_seeds():
    def row(leaf):
        return struct.pack(">Q", leaf) + b"\xb1" * 32 + b"\xd0" * 16 + b"\xd1" * 32

    def head(compartment=0, size=9, rows=2, form=1):
        return b"SHRDINVT" + struct.pack(">IIQQ", form, compartment, size, rows)

    yield "two", head() + row(1) + row(8)
    yield "none", head(1, 0, 0)
    yield "of-secrets", head(1, 3, 1) + row(0)
    yield "descending", head() + row(8) + row(1)
    yield "twice", head() + row(1) * 2
    yield "leaf-too-new", head() + row(1) + row(9)
    yield "too-few", head(rows=3) + row(1) + row(8)
    yield "cut", head() + row(1) + row(8)[:-1]
    yield "other-compartment", head(2) + row(1) + row(8)
    yield "future", head(form=2) + row(1) + row(8)


def marker_seeds():
    yield "lmdb", b"sherd vault\nformat 1\nengine lmdb\n"
    yield "longest", b"sherd vault\nformat 1\nengine abcdefghijklmno\n"
    yield "future", b"sherd vault\nformat 2\ncipher rot13\n"
    yield "leading-zero", b"sherd vault\nformat 01\nengine lmdb\n"
    yield "more", b"sherd vault\nformat 1\nengine lmdb\nmore\n"
    yield "no-newline", b"sherd vault\nformat 1\nengine lmdb"


def seal_header(kind=2, algorithm=0, cost=0, block=0, parallel=0, form=1, suite=1, mode=0):
    return (b"SHRDSEAL" + struct.pack(">HHBBHIII", form, suite, kind, algorithm, mode << 8, cost, block, parallel) +
            b"\xde" * 16 + b"\x5a" * 32)


def behind_length(data):
    return struct.pack(">H", len(data)) + data


def shares_front(description, *holders, kind=3, form=1, mode=0):
    """A seal by shares, but for the root key at its end."""
    return seal_header(kind, form=form, mode=mode) + description + b"".join(bytes([len(each)]) + each
                                                                            for each in holders)


def shares_seal_seeds():
    """docs/format/vault.md, kinds 3 and 4, and N.new; with the shares of tests/vectors/gen_share.py."""
    shares, description = gen_share.shamir_2_of_3(2)
    newer, newer_description = gen_share.shamir_2_of_3(3)
    halves = [gen_share.COEFFICIENTS, bytes(s ^ c for s, c in zip(gen_share.SECRET, gen_share.COEFFICIENTS))]
    parts, sums = gen_share.deal(2, 1, 2, halves)
    copies, one_of_two = gen_share.deal(1, 1, 1, [gen_share.SECRET] * 2)

    def texts(*some):
        return "".join(map(gen_share.text, some)).encode()

    front = shares_front(description, b"anna", b"", b"carl@example.org")
    by_parts = shares_front(sums, b"a", b"b", kind=4)
    for name, which in {"two": shares[:2], "others": shares[1:], "all": shares, "one": shares[:1], "none": [],
                        "twice": [shares[0]] * 2, "newer": [shares[0], newer[1]], "stranger": [shares[0], parts[1]],
                        "forged": [shares[0], shares[1][:20] + b"\0" + shares[1][21:]]}.items():
        yield "shares-" + name, b"\4" + behind_length(front) + texts(*which)
    yield "shares-parts", b"\4" + behind_length(by_parts) + texts(*parts)
    yield "shares-parts-one", b"\4" + behind_length(by_parts) + texts(parts[0])
    yield "shares-copies", b"\4" + behind_length(shares_front(one_of_two, b"", b"")) + texts(copies[1])
    yield "shares-fips", b"\4" + behind_length(shares_front(description, b"", b"", b"", mode=1)) + texts(*shares)
    for name, odd in {"kind": shares_front(description, b"", b"", b"", kind=4),
                      "parts-kind": shares_front(sums, b"", b"", kind=3),
                      "holder-dot": shares_front(description, b".a", b"", b""),
                      "holder-long": shares_front(description, b"x" * 48, b"", b""),
                      "holder-same": shares_front(description, b"a", b"b", b"a"),
                      "holder-cut": front[:-3], "no-holders": shares_front(description), "cut": front[:100],
                      "set-format": shares_front(b"\2" + description[1:], b"", b"", b""),
                      "count": shares_front(description[:15] + b"\4" + description[16:], b"", b"", b""),
                      "future": shares_front(description, b"", b"", b"", form=2)}.items():
        yield "shares-" + name, b"\4" + behind_length(odd) + texts(*shares[:2])
    later = shares_front(newer_description, b"anna", b"", b"carl")
    mark = b"\1" + b"\xc0" * 32
    behind = behind_length(front) + behind_length(later)
    yield "new", b"\5" + behind + b"\1" + mark + b"\0" + mark[1:] + mark
    yield "new-digest", b"\5" + behind + b"\0" + b"\xdd" * 32 + mark * 3
    yield "new-mark", b"\5" + behind + b"\1" + mark * 2 + b"\2" + mark[1:]
    yield "new-short", b"\5" + behind + b"\1" + mark * 2
    yield "new-long", b"\5" + behind + b"\1" + mark * 3 + b"\0"
    yield "new-same", b"\5" + behind_length(front) * 2 + b"\1" + mark * 3
    yield "new-older", b"\5" + behind_length(later) + behind_length(front) + b"\1" + mark * 3
    yield "new-parts", b"\5" + behind_length(front) + behind_length(by_parts) + b"\1" + mark * 2
    yield "new-mode", b"\5" + behind_length(front) + behind_length(
        shares_front(newer_description, b"", b"", b"", mode=1)) + b"\1" + mark * 3
    yield "new-damaged", b"\5" + behind_length(front) + behind_length(later[:200]) + b"\1" + mark * 3


def seal_seeds():
    yield "file-key", b"\0" + seal_header() + b"\x99" * 104
    yield "file-scrypt", b"\0" + seal_header(1, 1, 17, 8, 1) + b"\x99" * 104
    yield "file-argon2id", b"\0" + seal_header(1, 2, 262144, 3, 4) + b"\x99" * 104
    yield "file-short", b"\0" + seal_header() + b"\x99" * 103
    yield "header", b"\1" + seal_header()
    yield "header-scrypt", b"\1" + seal_header(1, 1, 17, 8, 1)
    yield "header-cost", b"\1" + seal_header(2, 1, 17, 8, 1)
    yield "header-kind", b"\1" + seal_header(3)
    yield "header-future", b"\1" + seal_header(form=2)
    yield "header-suite", b"\1" + seal_header(suite=2)
    yield "header-fips", b"\1" + seal_header(mode=1)
    yield "header-mode", b"\1" + seal_header(mode=2)
    yield "file-pbkdf2", b"\0" + seal_header(1, 3, 600000, 1, 1, mode=1) + b"\x99" * 104
    yield "key", b"\2sherd-key-1:" + b"0123456789abcdef" * 4 + b"\n"
    yield "key-upper", b"\2sherd-key-1:" + b"0123456789ABCDEF" * 4 + b"\n"
    for name, form, cost, text in [("", 1, 600000, b"\n"), ("-few", 1, 100000, b""), ("-many", 1, 2**31, b""),
                                   ("-future", 2, 600000, b""), ("-letter", 1, 600000, b"!")]:
        share = b"SHRDHOLD" + struct.pack(">HHI", form, 1, cost) + b"\x5a" * 32 + b"\x99" * 120
        yield "share" + name, b"\3sherd-sealed-share-1:" + base64.b64encode(share).rstrip(b"=") + text
    yield from shares_seal_seeds()
    yield "key-no-newline", b"\2sherd-key-1:" + b"0123456789abcdef" * 4
    yield "key-future", b"\2sherd-key-2:" + b"0123456789abcdef" * 4 + b"\n"


def protection(version, outside=False):
    return (number(1, version) + number(2, int(outside)) + (b"" if outside else item(3, b"\x99" * 32)) +
            number(4, 1699999980))


def master(name, version, state=1, more=b"", kept=b"\xab" * 60):
    return (item(1, bytes([version]) * 16) + item(2, name) + number(3, version) + number(4, state) +
            item(5, b"openssl") + item(6, b"anchor") + more + number(9, 1699999980) + number(10, 1) + item(11, kept))


def keyring_tlv(version=1, protections=(protection(1),), masters=(master(b"default", 5), master(b"hash", 1)),
                rules=b""):
    tlv = item(1, b"\xde" * 16) + item(2, b"\x7e" * 16) + number(3, 1699999980) + number(4, 0) + number(5, 1)
    for store in range(4):
        base = 10 + 10 * store
        tlv += (item(base, bytes([0xc0 + store]) * 16) + item(base + 1, bytes([0x40 + store]) * 32) +
                number(base + 2, version) + item(base + 3, bytes([0x60 + store]) * 32))
    return (tlv + item(50, listed(*protections)) + (item(51, listed(*masters)) if masters else b"") +
            rules + item(60, b"\x44" * 32) + number(61, 0) + number(62, 0))


def framed_keyring(tlv):
    return struct.pack(">I", len(tlv)) + tlv


def keyring_seeds():
    header = b"SHRDRING" + struct.pack(">HHI", 1, 1, 1)
    framed = framed_keyring(keyring_tlv())
    many = tuple(master(b"many", 1 + i, 1 + i % 3, kept=b"\xab" * (40 * i)) for i in range(20))
    yield "file", b"\0" + header + b"\x99" * (4096 + 72)
    yield "file-short", b"\0" + header + b"\x99" * (4096 + 71)
    yield "file-future", b"\0" + b"SHRDRING" + struct.pack(">HHI", 2, 1, 1) + b"\x99" * 500
    yield "contents", b"\1" + header + framed
    yield "contents-padding", b"\1" + header + framed.ljust(4095, b"\0") + b"\1"
    yield "contents-version-0", b"\1" + header + framed_keyring(keyring_tlv(0))
    yield "contents-of-another", b"\1" + header + framed.replace(b"\xde" * 16, b"\xdf" * 16)
    yield "contents-long", b"\1" + header + b"\0\0\xff\xff" + framed[4:]
    yield "contents-no-masters", b"\1" + header + framed_keyring(keyring_tlv(masters=()))
    yield "contents-many", b"\1" + header + framed_keyring(keyring_tlv(masters=many))
    yield "contents-page-too-many", b"\1" + header + framed.ljust(8192, b"\0")
    yield "contents-outside", b"\1" + header + framed_keyring(
        keyring_tlv(protections=(protection(1), protection(2, True))))
    yield "contents-inside-again", b"\1" + header + framed_keyring(
        keyring_tlv(protections=(protection(1, True), protection(2))))
    yield "contents-args", b"\1" + header + framed_keyring(
        keyring_tlv(masters=(master(b"a", 1, 2, item(7, b"k=3") + item(8, b"arn:x")),)))
    yield "contents-descending", b"\1" + header + framed_keyring(
        keyring_tlv(masters=(master(b"hash", 1), master(b"default", 5))))
    policies = (item(1, b"default") + number(2, 86400) + number(5, 2) + number(6, 3) + number(7, 123),
                item(1, b"store:keys") + number(8, 1000) + number(9, 2) + number(10, 1))
    gone = tuple(item(1, bytes([n]) * 16) + item(2, b"default") + number(3, n) + number(4, 1699999980) for n in (1, 2))
    yield "contents-rules", b"\1" + header + framed_keyring(
        keyring_tlv(rules=item(53, listed(*policies)) + item(54, listed(*gone))))
    yield "contents-epoch-times", b"\1" + header + framed_keyring(
        keyring_tlv(rules=number(55, 1699999981) + number(56, 1699999980)))
    yield "contents-epoch-time-0", b"\1" + header + framed_keyring(keyring_tlv(rules=number(55, 0)))
    yield "contents-rules-descending", b"\1" + header + framed_keyring(
        keyring_tlv(rules=item(53, listed(*reversed(policies)))))
    yield "contents-item-cut", b"\1" + header + framed_keyring(keyring_tlv())[:-1]


OWN = b"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
OWN_PQ = b"AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR"
OWN_P256 = b"SHERDP-SECRET-KEY-17088LKH90CDRZRV8784MMEHN9ZLQ4XWDHJKLF4JCNNEFME9CLLFQDU2QZY"
PUBLIC_P256 = (b"sherdp1qnlgcxwwpyz3j84u9x9fy3tey5clymcvan3yvp3eaz7rnjmlwp4gy6nhndx0j6d"
               b"c5rjnn3lk97eaxzkk428cpcc0r5fg4t7k3gkwwt4qttrg9p")
PUBLIC = b"age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"


def recipient_seeds():
    yield "file", b"\0# public key: " + PUBLIC + b"\n" + OWN + b"\n"
    yield "file-two", b"\0" + OWN + b"\r\n\r\n#\n" + OWN_PQ
    yield "file-blank-before", b"\0 " + OWN + b"\n"
    yield "file-lower", b"\0" + OWN.lower() + b"\n"
    yield "file-too-many", b"\0" + (OWN + b"\n") * 65
    yield "text", b"\1" + PUBLIC
    yield "text-line", b"\1" + PUBLIC + b"\n"
    yield "text-upper", b"\1" + PUBLIC.upper()
    yield "bytes", b"\2" + X25519
    yield "bytes-pq", b"\2" + XWING
    yield "bytes-p256", b"\2\x00\x10\x04" + b"\x5a" * 64
    yield "text-p256", b"\1" + PUBLIC_P256
    yield "file-p256", b"\0" + OWN_P256 + b"\n"
    yield "bytes-other-kem", b"\2\x00\x21" + X25519[2:]
    yield "bytes-short", b"\2\x00"
    for name, length in [("empty", 104), ("below", 103), ("chunk", 104 + 16400), ("full", 88 + 16400), ("pq", 1192),
                         ("most", 2**64 - 1)]:
        yield "length-" + name, b"\3" + struct.pack(">Q", length)


# A point of the curve: the generator.
POINT = bytes.fromhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
URI = b"pkcs11:token=anna;object=share"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def box(kind, enc, uri=URI, plain_bytes=81, form=1):
    head = bytes([form, 1, kind]) + b"\x7e" * 32 + struct.pack(">H", len(uri)) + uri + struct.pack(">H", len(enc))
    return head + enc + b"\xcc" * (56 + plain_bytes + 16)


def bech32m(prefix, data):
    """BIP-350."""
    def polymod(values):
        check = 1
        for value in values:
            top = check >> 25
            check = (check & 0x1ffffff) << 5 ^ value
            for i, generator in enumerate([0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]):
                check ^= generator if top >> i & 1 else 0
        return check

    bits = "".join(f"{byte:08b}" for byte in data)
    words = [int(bits[i:i + 5].ljust(5, "0"), 2) for i in range(0, len(bits), 5)]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = polymod(expanded + words + [0] * 6) ^ 0x2bc830a3
    words += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return prefix + "1" + "".join(BECH32[word] for word in words)


def box_lines(data, count=None):
    tag = hashlib.sha256(data).digest()[:2]
    parts = [data[i:i + 36] for i in range(0, len(data), 36)]
    return [bech32m("sherdt", bytes([number, count or len(parts)]) + tag + part).encode()
            for number, part in enumerate(parts, 1)]


def token_seeds():
    lines = box_lines(box(1, POINT))
    yield "text", b"\0# for anna\n" + b"\n".join(lines) + b"\n"
    yield "text-rsa", b"\0" + b"\n".join(box_lines(box(2, b"\x55" * 256)))
    yield "text-upper", b"\0" + b"\r\n".join(lines).upper()
    yield "text-cut", b"\0" + b"\n".join(lines[:-1])
    yield "text-turned", b"\0" + b"\n".join(lines[1::-1] + lines[2:])
    yield "text-more", b"\0" + b"\n".join(lines + lines[:1])
    yield "text-count", b"\0" + b"\n".join(box_lines(box(1, POINT), 255))
    yield "text-byte", b"\0" + box_lines(b"\1")[0]
    yield "bytes", b"\1" + box(1, POINT)
    yield "bytes-no-uri", b"\1" + box(1, POINT, b"")
    yield "bytes-rsa", b"\1" + box(2, b"\x55" * 256)
    yield "bytes-rsa-long", b"\1" + box(2, b"\x55" * 512, b"pkcs11:" + b"a" * 761, 256)
    yield "bytes-rsa-short", b"\1" + box(2, b"\x55" * 255)
    yield "bytes-off-curve", b"\1" + box(1, POINT[:-1] + b"\0")
    yield "bytes-bad-uri", b"\1" + box(1, POINT, b"pkcs11:a b")
    yield "bytes-format", b"\1" + box(1, POINT, form=2)
    yield "bytes-kind", b"\1" + box(3, POINT)
    yield "bytes-empty", b"\1" + box(1, POINT, plain_bytes=0)
    yield "bytes-one", b"\1" + box(1, POINT, plain_bytes=1)
    yield "uri", b"\2" + URI
    yield "uri-all", (b"\2pkcs11:model=a%20b;manufacturer=c;serial=1;token=x%3by;id=%00%ff;object=o;type=cert"
                      b"?module-path=/x")
    yield "uri-pin", b"\2pkcs11:?pin-value=1"
    yield "uri-percent", b"\2pkcs11:token=%4"
    yield "uri-twice", b"\2pkcs11:id=%01;id=%01"


# A ledger that the keys of fuzz/ledger.h signed.
SUBJECT = b"\x22" * 16
ACTOR = b"\x55" * 16
BESIDE = b"\x44" * 16 + b"\x33" * 16
BLINDS = [b"\xb1" * 32, b"\xb2" * 32]


def commitment(blind, name, digest):
    return hashlib.sha256(b"\2" + blind + name + digest).digest()


def a_committed_leaf(event_id, digest=b"\x99" * 32, actor=True):
    return (number(1, 1) + number(2, 2) + item(3, event_id * 16) + number(4, 1700000000) + number(5, 1) +
            item(7, b"\x77" * 16) + (item(8, b"\x88" * 16) if actor else b"") +
            item(11, commitment(BLINDS[0], SUBJECT, digest)) +
            (item(12, commitment(BLINDS[1], ACTOR, BESIDE)) if actor else b"") + item(20, b"\xcc" * 120))


def an_opening(leaf, subject=True, actor=True, digest=b"\x99" * 32):
    return (number(1, 1) + item(2, leaf) +
            (item(3, SUBJECT) + (item(4, digest) if digest.strip(b"\0") else b"") + item(5, BLINDS[0])
             if subject else b"") +
            (item(6, ACTOR) + item(7, BESIDE[:16]) + item(8, BESIDE[16:]) + item(9, BLINDS[1]) if actor else b""))


def a_ledger():
    leaves = [a_committed_leaf(bytes([i]), *(() if i % 3 else (bytes(32), False))) for i in range(9)]
    keys = [(tlog.Key("sherd.example/log", 1, b"\1" * 32), 0), (tlog.Key("w2.example", 4, b"\2" * 32), 1000)]
    return tlog.Log("sherd.example/log", leaves, keys)


def opening_seeds():
    log = a_ledger()
    for name, index in [("whole", 4), ("bare", 3)]:
        leaf = log.leaves[index]
        digest, actor = (bytes(32), False) if index % 3 == 0 else (b"\x99" * 32, True)
        yield "opening-" + name, an_opening(leaf, True, actor, digest)
        yield "receipt-" + name, log.proof(index, extra=an_opening(leaf, True, False, digest))
    yield "opening-nothing", an_opening(log.leaves[4], False, False)
    yield "opening-actor", an_opening(log.leaves[4], False, True)
    yield "opening-false", an_opening(log.leaves[4], digest=b"\x98" * 32)
    yield "receipt-first", log.proof(1, 2, an_opening(log.leaves[1]))


def evidence_seeds():
    log = a_ledger()

    def text(*indexes, about=SUBJECT):
        bodies = []
        for index in indexes:
            digest, actor = (bytes(32), False) if index % 3 == 0 else (b"\x99" * 32, True)
            proof = log.proof(index, extra=an_opening(log.leaves[index], True, actor, digest))
            bodies.append(proof.split(b"\n", 1)[1].split(b"\n\n", 1)[0] + b"\n\n")
        return b"sherd-evidence@v1 " + about.hex().encode() + b"\n\n" + b"".join(bodies) + log.checkpoint()

    yield "three", text(1, 3, 8)
    yield "one", text(0)
    yield "none", text()
    yield "turned", text(3, 1)
    yield "twice", text(2, 2)
    yield "actor", text(1, 2, about=ACTOR)
    yield "other", text(1, about=b"\x66" * 16)


def book_finding(text=b"x", role=2, kind=4, more=b"", record=b""):
    return (item(1, b"\xf1" * 16) + number(2, kind) + number(3, role) + record + item(6, text) + number(7, 110) +
            number(8, 120) + number(9, 2) + more + number(14, 1) + number(15, 1))


def book_pass(count=1):
    return struct.pack(">QQQL6Q", count, 100, 0, 3, 1, 2, 3, 4, 5, 6)


def book_rule(audience, way, place=b"", told=b""):
    return number(1, audience) + number(2, way) + (item(3, place) if place else b"") + told


def book_rules():
    return listed(book_rule(1, 2), book_rule(2, 4, b"/bin/tell", number(4, 1)), book_rule(4, 1))


def book_head(findings, more=b""):
    return (number(1, 1) + number(2, 7) + number(3, 1) + item(6, book_pass()) + item(8, book_rules()) +
            number(9, findings) + item(10, b"\x99" * 16) + more)


def book_seeds():
    full = book_finding(record=item(4, b"\x4d" * 16) + number(5, 3),
                        more=number(10, 130) + number(11, 140) + item(12, b"anna") + item(13, b"why"))
    stat = struct.pack(">6Q", 1, 2, 3, 4, 5, 6)
    position = number(1, 3) + number(2, 0) + number(3, 17) + number(4, 1) + item(5, stat)
    yield "book", b"\0" + listed(book_head(2), book_finding(), full)
    yield "book-none", b"\0" + listed(book_head(0))
    yield "book-cut", b"\0" + listed(book_head(2), full)
    yield "book-more", b"\0" + listed(book_head(1), full, full)
    yield "book-role", b"\0" + listed(book_head(1), book_finding(role=5))
    yield "book-kind", b"\0" + listed(book_head(1), book_finding(kind=7))
    yield "book-tag", b"\0" + listed(book_head(0, item(11, b"?")))
    yield "book-huge", b"\0" + listed(book_head(4096))
    yield "change-begin", b"\1" + number(1, 1) + number(2, 1)
    yield "change-find", b"\1" + number(1, 2) + item(3, position.replace(number(1, 3), number(1, 1))) + item(
        8, listed(book_finding(), full))
    yield "change-end", b"\1" + number(1, 4) + item(3, position)
    yield "change-acknowledge", b"\1" + number(1, 5) + item(4, b"\xf1" * 16) + item(5, b"anna") + item(6, b"why")
    yield "change-rules", b"\1" + number(1, 6) + item(7, book_rules())
    yield "change-rule-reader-file", b"\1" + number(1, 6) + item(7, listed(book_rule(4, 3, b"/a")))
    yield "change-rule-relative", b"\1" + number(1, 6) + item(7, listed(book_rule(1, 3, b"a")))
    yield "change-tell", b"\1" + number(1, 7) + number(2, 1) + item(7, listed(book_rule(1, 2)))
    yield "change-first", b"\1" + number(1, 8) + number(2, 9)
    yield "change-none", b"\1" + number(1, 9)
    yield "position", b"\2" + position
    yield "position-partial", b"\2" + position.replace(number(4, 1), number(4, 2))
    yield "pin", b"\3" + number(1, 7) + item(2, b"\xd1" * 32)


LOG = tlog.Key("sherd.example/log", 1, b"\1" * 32)


def mldsa_key():
    return tlog.mldsa_vkey(LOG.name, bytes(range(256)) * 5 + bytes(32))


def double_note():
    """A checkpoint with a second line of ML-DSA-44, which nobody signed."""
    note = tlog.Log(LOG.name, [b"leaf"], [(LOG, 0)]).checkpoint()
    blob = bytes.fromhex(mldsa_key().split("+")[1]) + struct.pack(">Q", 1767225600) + bytes(range(242)) * 10
    return note + f"\u2014 {LOG.name} {tlog.b64(blob)}\n".encode()


def note_seeds():
    yield "double", double_note()
    yield "key-mldsa", mldsa_key().encode()


def policy_seeds():
    yield "two-kinds", f"log {LOG.vkey}\nlog {mldsa_key()}\nwitness w {mldsa_key()}\nquorum none\n".encode()


TARGETS = {
    "note": note_seeds(),
    "policy": policy_seeds(),
    "checkpoint": (("double", data) for data in (double_note(),)),
    "opening": opening_seeds(),
    "evidence": evidence_seeds(),
    "book": book_seeds(),
    "token": token_seeds(),
    "recipient": recipient_seeds(),
    "tlv": tlv_seeds(),
    "payload": ((name, bytes([kind]) + tlv) for name, (kind, _, _, tlv) in PAYLOADS.items()),
    "entry": entry_seeds(),
    "fragment": fragment_seeds(),
    "attributes": attribute_seeds(),
    "inventory": inventory_seeds(),
    "links": links_seeds(),
    "row": row_seeds(),
    "leaf": leaf_seeds(),
    "marker": marker_seeds(),
    "seal": seal_seeds(),
    "keyring": keyring_seeds(),
}


def main():
    corpus = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent / "corpus")
    for target, seeds in TARGETS.items():
        folder = corpus / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds:
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
