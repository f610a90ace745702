#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The owner of a disk: copies directories, and puts the copies back. It knows no key and no format.

    disk_attacker.py take FROM TO      copy a directory
    disk_attacker.py put FROM TO       put a copy in the place of a directory
"""
import shutil
import sys
from pathlib import Path


def main():
    what, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if what == "put":
        shutil.rmtree(target)
    shutil.copytree(source, target, symlinks=True)


main()
