"""What the target's own Python runs to compile a layer: `bytecode.py FOLDER`.

Bytecode differs from one version of Python to the next, so `packages.py` starts this with the
version the layer is for. Standard library only, and nothing of Huitou.
"""

from __future__ import annotations

import py_compile
import sys
from pathlib import Path

# Where the platform unpacks a layer; what bytecode says of its source must not be a path of
# the machine that built it. The import system puts the real path in when it loads the file.
OPT = "/opt"


def compile_all(folder: Path) -> None:
    """Put bytecode beside every source; it is never compared with the source again.

    An instance then neither stats nor reads the source, and file times, which differ after every
    unpacking, say nothing. A file that isn't Python of this version stays as it is.
    """
    for source in sorted(folder.rglob("*.py")):
        try:
            py_compile.compile(
                str(source),
                dfile=f"{OPT}/{source.relative_to(folder).as_posix()}",
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except py_compile.PyCompileError:
            continue


if __name__ == "__main__":
    compile_all(Path(sys.argv[1]))
