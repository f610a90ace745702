# SPDX-License-Identifier: Apache-2.0
"""Strangers at the socket of an agent: they give bad shares, and tell it to seal, as fast as they can. Of users of this
machine who have nothing to do with the vault, which root alone can play."""
import os
import signal
import socket
import sys

SEAL, UNSEAL = 4, 3
OK, REFUSED, BUSY = 0, 4, 8  # numbers of <sherd/err.h>, as answers bear them


def socket_of(vault):
    """The socket that all users reach."""
    stat = os.stat(vault)
    return f"/tmp/sherd-{stat.st_uid}/{stat.st_dev:x}-{stat.st_ino:x}.sock"


class Caller:
    """One connection, without the program's manners: docs/format/agent.md."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.number = 0

    def call(self, verb, body=b""):
        """@return the status, and the message"""
        self.number += 1
        number = self.number.to_bytes(8, "big")
        self.socket.sendall((12 + len(body)).to_bytes(4, "big") + number + verb.to_bytes(2, "big") + b"\0\0" + body)
        head = self.exactly(16)
        message = self.exactly(int.from_bytes(head[:4], "big") - 12)
        if head[4:12] != number:
            raise ConnectionError("the answer to another call")
        return int.from_bytes(head[14:16], "big"), message

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the agent hung up")
            data += more
        return data

    def give(self, share):
        """Give a share. @return the status, and whether the vault is unsealed now"""
        status, message = self.call(UNSEAL, b"\3\0\0" + len(share).to_bytes(2, "big") + share + b"\0")
        return status, status == OK and message[0] == 1


def spoiled(share, at):
    """A share with one character changed, and so one that its own checksum refuses."""
    changed = bytearray(share)
    changed[at] ^= 1
    return bytes(changed)


class Stranger:
    """A process of another user. It calls until the vault is unsealed, or until it is told to end, and then says how it
    was answered."""

    def __init__(self, path, uid, bad_shares, seals_each=0):
        """seals_each: after how many shares it also tells the agent to seal; 0: never"""
        self.reads, writes = os.pipe()
        self.pid = os.fork()
        if self.pid != 0:
            os.close(writes)
            self.counts = {}
            self.ended = False
            return
        code = 1
        try:
            os.close(self.reads)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            self.run(Caller(path), bad_shares, seals_each, writes)
            code = 0
        except BaseException as reason:  # pylint: disable=broad-except
            print(f"stranger {uid}: {reason!r}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)

    @staticmethod
    def run(caller, bad_shares, seals_each, writes):
        """Each answer is told as a letter: a capital one for a share, a small one for a call to seal."""
        count = 0
        unsealed = False
        told = bytearray()
        while not unsealed:
            status, unsealed = caller.give(bad_shares[count % len(bad_shares)])
            told += bytes([ord("A") + status]) if not unsealed else b""
            count += 1
            if seals_each and count % seals_each == 0:
                status, _ = caller.call(SEAL)
                told += bytes([ord("a") + status])
            if len(told) >= 100 or unsealed:
                os.write(writes, told)
                told.clear()

    def hear(self):
        """Wait for more of what it was answered. @return False: it has ended"""
        data = os.read(self.reads, 65536)
        for byte in data:
            verb, status = ("share", byte - ord("A")) if byte < ord("a") else ("seal", byte - ord("a"))
            self.counts[verb, status] = self.counts.get((verb, status), 0) + 1
        return bool(data)

    def calls(self, verb):
        return sum(count for (of, _), count in self.counts.items() if of == verb)

    def end(self):
        """Wait for its end, which is near. @return its exit status"""
        while self.hear():
            pass
        return self.close(None)

    def close(self, stop=signal.SIGKILL):
        if self.ended:
            return 0
        self.ended = True
        if stop is not None:
            os.kill(self.pid, stop)
        os.close(self.reads)
        return os.waitpid(self.pid, 0)[1]
