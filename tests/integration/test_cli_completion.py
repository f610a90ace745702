#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Completion, as bash and zsh do it: the real shells load it and are asked what they offer."""
import os
import pty
import re
import subprocess
import time

from harness import COMPARTMENTS, ROOT, main

FOLDER = ROOT / "completions"
COMMANDS = ("init put get update rm ls stat verify sweep info import export inspect collection key entity rekey "
            "epoch seals share rekey-shares user secret encrypt-existing unseal seal status backup restore recover "
            "receipt keygen scrub help version").split()

# compadd is what every completion of zsh ends in. ^T completes what is typed, ^X clears it and says so.
ZSH_SETUP = """
PS1= ; fpath=($1 $fpath) ; autoload -Uz compinit ; compinit -u -D ; LISTMAX=0
compadd() {
    local -a offers
    if (( ! ${argv[(I)-[OAD]]} )); then
        builtin compadd -A offers "$@"
        (( $#offers )) && print -rl -- $offers >>$2/offers
    fi
    builtin compadd "$@"
}
functions[compadd]=${functions[compadd]//'$2'/${(q)2}}
offer() { _main_complete ; compstate[insert]= ; compstate[list]= }
zle -C offer list-choices offer ; bindkey '^T' offer
clear() { BUFFER= ; print end >>$OFFERS }
zle -N clear ; bindkey '^X' clear
OFFERS=$2/offers ; print end >>$OFFERS
"""


def options_of(box, command):
    """--option of the command itself, as help shows them."""
    text = box.run("help", command).stdout.decode().split("Options of every command:")[0]
    return set(re.findall(r"^  (?:-\w, |    )(--[\w-]+)", text, re.M))


class Bash:
    """The function of the completion, called as bash would."""

    def __init__(self, box):
        self.dir = box.dir

    def offers(self, *words):
        script = 'set -eu; . "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _sherd; ' \
                 'printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", script, "bash", FOLDER / "sherd", *words], cwd=self.dir,
                              capture_output=True, check=False)
        assert done.returncode == 0 and done.stderr == b"", done
        return set(done.stdout.decode().split())


class Zsh:
    """An interactive zsh on a terminal of its own, without the user's settings."""

    def __init__(self, box):
        self.path = box.path("offers")
        box.path("setup.zsh").write_text(ZSH_SETUP, encoding="ascii")
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(box.dir)
            os.execvpe("zsh", ["zsh", "-f", "-i"], {**box.env, "TERM": "dumb"})
        os.set_blocking(self.terminal, False)
        self.type(f"source ./setup.zsh '{FOLDER}' '{box.dir}'\n")
        self.answer()

    def type(self, text):
        os.write(self.terminal, text.encode())

    def answer(self):
        """The offers up to the next "end"."""
        shown = b""
        for _ in range(600):
            try:
                shown += os.read(self.terminal, 65536)  # or its terminal fills up
            except BlockingIOError:
                pass
            lines = self.path.read_text(encoding="utf-8").split("\n") if self.path.exists() else []
            if "end" in lines:
                self.path.unlink()
                return {line.rstrip("=") for line in lines[:lines.index("end")]}
            time.sleep(0.05)
        raise AssertionError(f"zsh does not answer: {shown[-2000:]!r}")

    def offers(self, *words):
        self.type(" ".join(words) + "\x14\x18")
        return self.answer()

    def end(self):
        self.type("exit\n")
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def expect(shell, words, offers):
    offered = shell.offers(*words)
    assert offered == offers, (words, offered)


def commands_are_offered(shell, box):
    expect(shell, ["sherd", ""], set(COMMANDS))
    expect(shell, ["sherd", "ver"], {"verify", "version"})
    expect(shell, ["sherd", "--vault", "x", "ver"], {"verify", "version"})
    expect(shell, ["sherd", "inspect", ""], set(COMPARTMENTS))
    expect(shell, ["sherd", "--json", "inspect", "--limit", "3", "as"], {"assets"})
    expect(shell, ["sherd", "collection", ""], {"create", "show"})
    expect(shell, ["sherd", "seals", ""], {"list", "add", "remove"})
    expect(shell, ["sherd", "share", "s"], {"show"})
    expect(shell, ["sherd", "entity", ""], {"list", "show", "export", "rekey", "erase"})
    expect(shell, ["sherd", "key", "protection", ""], {"list", "show", "rotate", "use-key-store", "use-keyring"})
    expect(shell, ["sherd", "--key-store", "x", "key", "pro"], {"protection"})
    expect(shell, ["sherd", "key", "po"], {"policy"})
    expect(shell, ["sherd", "receipt", "de"], {"destroyed"})
    expect(shell, ["sherd", "key", "policy", "x", "--destroy-old", ""], {"yes", "no"})
    expect(shell, ["sherd", "help", ""], set(COMMANDS))
    expect(shell, ["sherd", "init", "--engine", ""], {"lmdb"})
    box.path("letter.txt").write_text("x", encoding="ascii")
    box.path("letters").mkdir()
    assert shell.offers("sherd", "put", "let") >= {"letter.txt"}
    assert shell.offers("sherd", "--key-file", "let") >= {"letter.txt"}
    assert {offer.rstrip("/") for offer in shell.offers("sherd", "import", "let")} == {"letters"}
    assert {offer.rstrip("/") for offer in shell.offers("sherd", "--vault", "let")} == {"letters"}


def options_are_offered(shell, box):
    glob = {"--vault", "--passphrase-file", "--passphrase-fd", "--key-file", "--key-store", "--key-store-password-file",
            "--key-store-password-fd", "--holder-identity", "--share-file", "--user", "--user-key",
            "--user-passphrase-file", "--json", "--quiet", "--help", "--pkcs11-module", "--pkcs11-token", "--pin-fd",
            "--pin-file", "--progress-json"}
    assert shell.offers("sherd", "--") - {"--version"} == glob
    for command in COMMANDS:
        if command not in ["help", "version"]:
            expect(shell, ["sherd", command, "--"], glob | options_of(box, command))


def test_cli_completion__of_bash_offers_commands(box):
    commands_are_offered(Bash(box), box)
    assert Bash(box).offers("sherd", "--vault", "=", "x", "ver") == {"verify", "version"}


def test_cli_completion__of_bash_offers_options(box):
    options_are_offered(Bash(box), box)


def test_cli_completion__of_zsh_offers_commands(box):
    shell = Zsh(box)
    commands_are_offered(shell, box)
    expect(shell, ["sherd", "--vault=x", "ver"], {"verify", "version"})
    shell.end()


def test_cli_completion__of_zsh_offers_options(box):
    shell = Zsh(box)
    options_are_offered(shell, box)
    shell.end()


if __name__ == "__main__":
    main(globals())
