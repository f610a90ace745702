#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is installed is whole, and a program that knows only sherd.pc links to it, shared and static.

The first argument is the build folder, in place of the program.
"""
import os
import subprocess
from pathlib import Path

from harness import ROOT, main

USER = """
#include <sherd/sherd.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    const struct sherd_unseal unseal = {.passphrase = sherd_span_str("correct horse battery staple")};
    struct sherd_vault *vault = NULL;
    struct sherd_buf back = {0};
    struct sherd_uuid id;

    if (argc != 2 || sherd_vault_init(argv[1], &unseal, NULL) != SHERD_OK ||
        sherd_vault_open(argv[1], &unseal, NULL, &vault) != SHERD_OK ||
        sherd_record_put(vault, NULL, sherd_span_str("attack at dawn"), &id) != SHERD_OK ||
        sherd_record_get(vault, id, 0, &back) != SHERD_OK)
        return 1;
    printf("%.*s", (int)back.len, (char *)back.data);
    sherd_buf_done(&back);
    sherd_vault_close(vault);
    return 0;
}
"""


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def install(box):
    """@return the prefix, in a folder of its own"""
    run("meson", "install", "-C", box.program, "--no-rebuild", "--quiet", "--destdir", box.path("root"))
    library, = box.path("root").rglob("libsherd.so")
    program, = box.path("root").rglob("bin/sherd")
    return program.parent.parent, library.parent


def user_links(box, static):
    _, libraries = install(box)
    box.path("user.c").write_text(USER, encoding="ascii")
    env = {**box.env, "PKG_CONFIG_PATH": str(libraries / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(box.path("root"))}
    flags = run("pkg-config", *(["--static"] if static else []), "--cflags", "--libs", "sherd", env=env).split()
    if static:
        flags = [flag.replace("-lsherd", "-l:libsherd.a") for flag in flags]
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    run("cc", "-std=c11", *warnings, box.path("user.c"), *flags, "-o", box.path("user"))
    needs_library = "libsherd.so.0" in run("readelf", "-d", box.path("user"))
    assert needs_library != static
    assert run(box.path("user"), box.vault, env={**box.env, "LD_LIBRARY_PATH": str(libraries)}) == "attack at dawn"


def test_install__is_whole(box):
    prefix, libraries = install(box)
    headers = {path.relative_to(ROOT / "include") for path in (ROOT / "include").rglob("*.h")}
    assert {path.relative_to(prefix / "include") for path in (prefix / "include").rglob("*.h")} == headers
    pages = {path.stem for path in (ROOT / "docs" / "man").glob("*.scd")}
    assert {path.name for path in (prefix / "share" / "man").rglob("*.1")} == pages and len(pages) > 10
    assert {path.name for path in libraries.glob("libsherd*")} >= {"libsherd.a", "libsherd.so", "libsherd.so.0"}
    for completion in ["bash-completion/completions/sherd", "zsh/site-functions/_sherd"]:
        assert (prefix / "share" / completion).read_text() == (ROOT / "completions" / Path(completion).name).read_text()
    assert run(prefix / "bin" / "sherd", "version").startswith("sherd ")
    assert run(prefix / "bin" / "sherd-verify", "--version").startswith("sherd-verify ")
    for path in prefix.rglob("*"):
        assert os.stat(path).st_mode & 0o022 == 0, path


def test_install__a_program_links_to_the_shared_library(box):
    user_links(box, False)


def test_install__a_program_links_to_the_static_library(box):
    user_links(box, True)


if __name__ == "__main__":
    main(globals())
