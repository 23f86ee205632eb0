// pg_recvlogical, the peer that only reads, with the options that pgherald gives the plugins.
import { timed } from "./tools.mjs";

export const PLUGIN_OPTIONS = {
  wal2json: ["format-version=2", "include-xids=true", "include-timestamp=true", "include-lsn=true", "include-types=false", "include-type-oids=true", "include-not-null=true", "include-pk=true", "add-tables=public.*"],
  pgoutput: ["proto_version=1", "messages=true", "publication_names=pgherald,pgherald_inserts"],
};

const argumentsOf = (env, slot, plugin, endpos, file) => ["-d", env.cluster.url(env.name), "--slot", slot, "--start", "--no-loop", "--endpos", endpos, "-f", file, ...PLUGIN_OPTIONS[plugin].flatMap((option) => ["-o", option])];

// Seconds to drain the slot up to `endpos` into a file.
export function recvlogical(env, slot, plugin, endpos, file) {
  return timed("pg_recvlogical", "pg_recvlogical", argumentsOf(env, slot, plugin, endpos, file));
}

// The same through a pipe.
export function recvlogicalPiped(env, slot, plugin, endpos) {
  return timed("pg_recvlogical", "bash", ["-o", "pipefail", "-c", '"$@" | cat >/dev/null', "bash", "pg_recvlogical", ...argumentsOf(env, slot, plugin, endpos, "-")]);
}
