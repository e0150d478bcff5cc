// Unpack the browser that the package carries, and say where it is; the libraries that a bare
// machine may lack are unpacked beside it.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import chromium from "@sparticuz/chromium";

const place = process.argv[2];
const libraries = join(place, "al2023", "lib");
if (!existsSync(libraries)) {
  mkdirSync(place, { recursive: true });
  const packed = join(place, "al2023.tar");
  writeFileSync(packed, brotliDecompressSync(readFileSync(carried("al2023.tar.br"))));
  execFileSync("tar", ["-xf", packed, "-C", place]);
}
console.log(JSON.stringify({ path: await chromium.executablePath(), libraries }));

/** Where the package carries a file, wherever its entry point lies. */
function carried(name) {
  let here = dirname(createRequire(import.meta.url).resolve("@sparticuz/chromium"));
  while (!existsSync(join(here, "bin", name))) {
    if (here === dirname(here)) throw new Error(`the browser's package carries no ${name}`);
    here = dirname(here);
  }
  return join(here, "bin", name);
}
