// The programs in C that some benches need: tests/bench/NAME.c, linked with what the daemon is made of.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";

const libraries = ["libpq", "jansson", "libcurl", "libwebsockets", "libuv", "openssl", "librhonabwy"];

// `sizes`: what it is told at compile time, such as "SECONDS=0.3".
export function buildProgram(name, sizes = []) {
  const flags = (what) => execFileSync("pkg-config", [what, ...libraries], { encoding: "utf8" }).trim().split(/\s+/);
  const program = `build/bench/${name}`;
  mkdirSync("build/bench", { recursive: true });
  execFileSync("make", ["--no-print-directory", "-s", "build/libpgherald.a"], { stdio: "inherit" });
  const own = ["-std=c11", "-O2", "-pthread", "-D_GNU_SOURCE", "-Iinclude", "-Isrc", "-Itests/unit", ...sizes.map((size) => `-D${size}`), "-o", program, `tests/bench/${name}.c`, "build/libpgherald.a"];
  execFileSync("cc", [...flags("--cflags"), ...own, ...flags("--libs"), "-lm"], { stdio: "inherit" });
  return program;
}
