# SPDX-License-Identifier: Apache-2.0
"""What the checks share: C text with its comments and strings blanked, so that words in them match nothing."""
import re

TOKEN = re.compile(
    r"""/\*.*?\*/            # block comment
      | //[^\n]*             # line comment
      | "(?:\\.|[^"\\\n])*"  # string
      | '(?:\\.|[^'\\\n])*'  # character
    """,
    re.S | re.X,
)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def blank_comments_and_strings(text):
    """The same text, same lines and columns, with spaces where comments, strings and characters were."""
    return TOKEN.sub(blank, text)


def blank_comments(text):
    """The same, but strings stay: include lines need them."""
    return TOKEN.sub(lambda match: blank(match) if match.group().startswith("/") else match.group(), text)
