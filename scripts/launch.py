"""Start one of the project's three commands inside its own environment (see bootstrap.py)."""

import sys

import bootstrap

COMMANDS = {
    "huitou": ("cli", []),
    "demo": ("cli", ["demo"]),
    "test": ("cli.check", []),
}

if __name__ == "__main__":
    module, arguments = COMMANDS[sys.argv[1]]
    bootstrap.run(module, [*arguments, *sys.argv[2:]])
