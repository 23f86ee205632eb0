// A soak over its time: memory, how far behind, how fast; what happened is marked.
const WIDTH = 1080, LEFT = 230, RIGHT = 20, PANEL = 110, GAP = 26, TOP = 60;

const panels = [
  ["memory of the daemon (PSS)", "MB", (s) => s.pss_kb / 1024],
  ["open files", "", (s) => s.fds],
  ["lag of what was stored last", "ms", (s) => s.stream_lag_us / 1000],
  ["deliveries waiting", "", (s) => s.pending],
  ["rows in the outbox", "", (s) => s.outbox_rows],
  ["transactions", "/s", (s, before) => (before ? (s.transactions - before.transactions) / (s.at - before.at) : NaN)],
];

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const short = (value) => (value >= 1e6 ? `${(value / 1e6).toFixed(1)}M` : value >= 1e4 ? `${Math.round(value / 1e3)}k` : value >= 10 ? value.toFixed(0) : value.toFixed(1));

function panel([title, unit, pick], samples, end, y) {
  const points = samples.map((s, i) => [s.at, pick(s, samples[i - 1])]).filter(([, value]) => Number.isFinite(value));
  const highest = Math.max(1e-9, ...points.map(([, value]) => value));
  const x = (at) => LEFT + (at / end) * (WIDTH - LEFT - RIGHT);
  const line = points.map(([at, value]) => `${x(at).toFixed(1)},${(y + PANEL - (value / highest) * PANEL).toFixed(1)}`).join(" ");
  return `<rect x="${LEFT}" y="${y}" width="${WIDTH - LEFT - RIGHT}" height="${PANEL}" fill="#f7f8fa"/>
<text x="${LEFT - 8}" y="${y + 12}" text-anchor="end">${short(highest)} ${unit}</text><text x="${LEFT - 8}" y="${y + PANEL}" text-anchor="end">0</text>
<text x="${LEFT - 8}" y="${y + PANEL / 2 + 4}" text-anchor="end" font-weight="bold">${escape(title)}</text>
<polyline points="${line}" fill="none" stroke="#2c5f8a" stroke-width="1.3"/>`;
}

const markColours = { daemon: "#c0392b", server: "#d68910", other: "#7f8fa6" };

export function plotOf({ samples, struck }, caption) {
  const end = samples.at(-1).at;
  const height = TOP + panels.length * (PANEL + GAP) + 10;
  const marks = struck.map(({ at, name }) => {
    const x = (LEFT + (at / end) * (WIDTH - LEFT - RIGHT)).toFixed(1);
    return `<line x1="${x}" x2="${x}" y1="${TOP - 6}" y2="${height - GAP}" stroke="${markColours[name.split(/[: ]/)[0]]}" stroke-dasharray="2 3"><title>${escape(name)}</title></line>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="16" y="22" font-size="15" font-weight="bold">Soak: ${escape(caption)}</text>
<text x="16" y="42" fill="#555">dotted: red, the daemon was restarted; orange, the server; grey, rules changed</text>
${panels.map((one, i) => panel(one, samples, end, TOP + i * (PANEL + GAP))).join("\n")}
${marks.join("\n")}
</svg>
`;
}
