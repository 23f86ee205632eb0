// What the tests of `pgherald oauth` share: keys, the documented form in node, running the command, and
// a list of all that must never be seen.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "./harness.mjs";

const folder = mkdtempSync(join(tmpdir(), "pgherald-keys-"));

// Each key and token that a test makes.
const secrets = new Set();
export const secret = (text) => (secrets.add(text), text);
export const shows = (text) => [...secrets].filter((one) => text.includes(one));
export const token = (kind = "ya29.") => secret(kind + randomBytes(60).toString("base64url"));

// The lines that docs/oauth-tokens.md gives to other programs.
export const page = readFileSync(new URL("../../docs/oauth-tokens.md", import.meta.url), "utf8");
const [, lines] = page.match(/```js\n(.*?)```/s);
export const form = await import(`data:text/javascript,${encodeURIComponent(lines)}`);
export const seal = (key, ...rest) => form.seal(key.bytes, ...rest);
export const open = (key, ...rest) => form.open(key.bytes, ...rest);

export class Key {
  constructor(id) {
    this.id = id;
    this.bytes = randomBytes(32);
    this.text = `${id}:${secret(this.bytes.toString("base64"))}`;
  }
}

// The first one seals from now on.
export function useKeys(env, ...keys) {
  const file = join(folder, randomBytes(6).toString("hex"));
  writeFileSync(file, keys.map(({ text }) => `${text}\n`).join(""), { mode: 0o600 });
  env.settings.encryption_keys_file = file;
}

export function begin(env, args, input = "") {
  const child = spawn(binary, ["oauth", ...args], { env: env.environment, cwd: tmpdir() });
  child.out = "";
  child.err = "";
  child.stdout.on("data", (chunk) => (child.out += chunk));
  child.stderr.on("data", (chunk) => (child.err += chunk));
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  child.ended = new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => done({ code, stdout: child.out, stderr: child.err }));
  });
  return child;
}

// No action shows a key or a token, but get its token on stdout.
export async function oauth(env, args, input) {
  const result = await begin(env, args, input).ended;
  assert.deepEqual(shows(result.stderr), [], `oauth ${args[0]}, stderr`);
  if (args[0] !== "get") assert.deepEqual(shows(result.stdout), [], `oauth ${args[0]}, stdout`);
  return result;
}

export async function works(env, args, input) {
  const result = await oauth(env, args, input);
  assert.equal(result.code, 0, `oauth ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

export async function fails(env, args, wanted, input) {
  const result = await oauth(env, args, input);
  assert.equal(result.code, 1, result.stdout);
  assert.match(result.stderr, wanted);
  return result;
}

export const put = (env, user, grant) => works(env, ["put", "--user", user.id], JSON.stringify(grant));
export const get = async (env, user, ...args) => JSON.parse(await works(env, ["get", "--user", user.id, ...args]));

// As an application would write it, with a key of its choice.
export async function insert(env, key, user, account, access, refresh = null) {
  await env.db.query(
    `insert into public.google_oauth_tokens (user_id, google_account_id, access_token_encrypted, refresh_token_encrypted, encryption_key_id)
     values ($1, $2, $3, $4, $5)`,
    [
      user.id, account, seal(key, user.id, account, "access_token_encrypted", access),
      refresh && seal(key, user.id, account, "refresh_token_encrypted", refresh), key.id,
    ],
  );
}
