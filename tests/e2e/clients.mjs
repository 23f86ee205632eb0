// supabase-js as applications have it: of today, which speaks 2.0.0, and of a year ago, which speaks 1.0.0.
import { createClient as today } from "@supabase/supabase-js";
import { createClient as yearAgo } from "supabase-js-of-2025";
import WebSocket from "ws";

const makers = { today, "a year ago": yearAgo };
export const ages = Object.keys(makers);

// A client of the age; options are those of its RealtimeClient. The token may be a function: what it gives then.
export function supabase(env, token, age = "today", options = {}) {
  const current = typeof token === "function" ? token : () => token;
  return makers[age](env.url(), current(), { accessToken: async () => current(), realtime: { transport: WebSocket, ...options } });
}

// Resolves once it is SUBSCRIBED; channel.statuses has what it was told, then and later.
export function subscribed(channel) {
  channel.statuses = [];
  return new Promise((done, fail) => {
    channel.subscribe((status, error) => {
      channel.statuses.push(status);
      if (status === "SUBSCRIBED") done(channel);
      else fail(error ?? new Error(status));
    });
  });
}

// The socket as it is torn by a network: no close frame, no goodbye.
export function tear(client) {
  const { realtime } = client;
  realtime.reconnectTimer?.reset?.();
  const socket = realtime.conn ?? realtime.socketAdapter.getSocket().conn;
  socket.terminate();
}
