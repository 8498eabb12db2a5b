"""Judges the licence of every package of `cargo metadata` (on stdin) by a list of allowed ones (a file, one a line).

Licence expressions are SPDX's: `AND`, `OR`, `WITH`, brackets, and the older `/` for `OR`.
"""

import json
import re
import sys


def allowed(expression, names):
    """Whether the expression can be satisfied with allowed licences alone."""
    tokens = re.findall(r"[()]|[A-Za-z0-9.+-]+", expression.replace("/", " OR "))

    def alternatives():
        result = together()
        while tokens and tokens[0].upper() == "OR":
            tokens.pop(0)
            # Both sides are read before they are joined: `or` alone would leave tokens behind.
            right = together()
            result = result or right
        return result

    def together():
        result = single()
        while tokens and tokens[0].upper() == "AND":
            tokens.pop(0)
            right = single()
            result = result and right
        return result

    def single():
        if not tokens:
            raise ValueError("ends too early")
        token = tokens.pop(0)
        if token == "(":
            result = alternatives()
            if not tokens or tokens.pop(0) != ")":
                raise ValueError("a bracket is not closed")
            return result
        if token == ")" or token.upper() in ("AND", "OR", "WITH"):
            raise ValueError(f"{token!r} stands where a licence should")
        if len(tokens) > 1 and tokens[0].upper() == "WITH":
            token = f"{token} WITH {tokens[1]}"
            del tokens[:2]
        return token in names

    result = alternatives()
    if tokens:
        raise ValueError(f"{tokens[0]!r} is left over")
    return result


def prove():
    """A judge that lets everything pass is worse than none."""
    names = {"MIT", "ISC", "Apache-2.0 WITH LLVM-exception"}
    for expression in ("MIT", "GPL-3.0-only OR MIT", "MIT/GPL-3.0-only", "(MIT OR X) AND ISC", "Apache-2.0 WITH LLVM-exception"):
        assert allowed(expression, names), expression
    for expression in ("GPL-3.0-only", "MIT AND GPL-3.0-only", "Apache-2.0", "(MIT AND X) OR Y", "Apache-2.0 WITH Other"):
        assert not allowed(expression, names), expression
    for expression in ("", "MIT OR", "(MIT", "MIT ISC", "AND"):
        try:
            allowed(expression, names)
        except ValueError:
            continue
        raise AssertionError(f"{expression!r} was understood")


def main(list_name):
    prove()
    with open(list_name, encoding="utf-8") as lines:
        names = {name for name in (line.split("#")[0].strip() for line in lines) if name}
    packages = json.load(sys.stdin)["packages"]
    refused = []
    for package in sorted(packages, key=lambda package: (package["name"], package["version"])):
        licence = package.get("license")
        try:
            if licence and allowed(licence, names):
                continue
            reason = licence or f"no licence expression, only the file {package.get('license_file')}"
        except ValueError as problem:
            reason = f"{licence}: {problem}"
        refused.append(f"{package['name']} {package['version']}: {reason}")
    print(f"{len(packages) - len(refused)} of {len(packages)} packages have an allowed licence")
    for line in refused:
        print(f"not allowed: {line}")
    return 1 if refused or not packages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
