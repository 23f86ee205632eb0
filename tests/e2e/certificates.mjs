// A certificate authority for one test, by the openssl program.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./harness.mjs";

const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
const openssl = (...args) => execFileSync("openssl", args, { stdio: "ignore" });

export class Authority {
  constructor(name = "tests") {
    this.folder = temporaryFolder("ca");
    this.file = join(this.folder, "ca.pem");
    openssl("req", "-x509", ...key, "-days", "2", "-subj", `/CN=${name}`, "-keyout", join(this.folder, "ca.key"), "-out", this.file);
  }

  // names: as subjectAltName has them; days may be negative. Returns { cert, key } and the files' names.
  issue(name, names, days = 2) {
    const at = (ending) => join(this.folder, `${name}.${ending}`);
    openssl("req", ...key, "-subj", `/CN=${name}`, "-addext", `subjectAltName=${names}`, "-keyout", at("key"), "-out", at("csr"));
    openssl("x509", "-req", "-in", at("csr"), "-CA", this.file, "-CAkey", join(this.folder, "ca.key"), "-CAcreateserial", "-days", String(days), "-copy_extensions", "copy", "-out", at("pem"));
    return { cert: readFileSync(at("pem")), key: readFileSync(at("key")), certFile: at("pem"), keyFile: at("key") };
  }
}
