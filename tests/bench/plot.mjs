// The plot of a run: how fast we are beside the ceiling or the peer, a bar a row, on a logarithmic scale.
import { aimText, isCost, isMet } from "./report.mjs";

const WIDTH = 1080, LABELS = 430, BARS = 400, ROW = 22, TOP = 84, BOTTOM = 30;
const TICKS = [0.03, 0.1, 0.3, 1, 3, 10, 30, 100];
const colours = { met: "#2e7d4f", missed: "#c0392b", none: "#7f8fa6" };

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const text = (x, y, content, more = "") => `<text x="${x}" y="${y}" ${more}>${escape(content)}</text>`;

// Where a speed is; what is beyond the scale stands at its end.
function place(speed) {
  const [low, high] = [TICKS[0], TICKS.at(-1)].map(Math.log);
  const at = (Math.log(Math.min(Math.max(speed, TICKS[0]), TICKS.at(-1))) - low) / (high - low);
  return Math.round((LABELS + at * BARS) * 10) / 10;
}

// Twice the time is half the speed.
const speedOf = (row, ratio) => (isCost(row) ? 1 / ratio : ratio);

function bar(row, y) {
  const speed = speedOf(row, row.ratio);
  const [from, to] = [place(1), place(speed)];
  const met = isMet(row);
  const colour = colours[met === undefined ? "none" : met ? "met" : "missed"];
  const aim = row.aim?.ratio && place(speedOf(row, Number(row.aim.ratio.split(" ")[1])));
  return [
    text(LABELS - 12, y + 15, row.what, 'text-anchor="end"'),
    `<rect x="${Math.min(from, to)}" y="${y + 4}" width="${Math.max(Math.abs(to - from), 1.5)}" height="${ROW - 8}" rx="2" fill="${colour}"/>`,
    aim ? `<line x1="${aim}" x2="${aim}" y1="${y + 1}" y2="${y + ROW - 1}" stroke="#222" stroke-width="2"/>` : "",
    text(LABELS + BARS + 12, y + 15, `${speed.toFixed(2)} × ${row.to}`),
    `<title>${escape(`${row.what}: ${aimText(row)}`)}</title>`,
  ].join("");
}

export function plotOf(results, caption) {
  const lines = [];
  let y = TOP;
  for (const { name, rows } of results) {
    const shown = rows.filter((row) => row.ratio > 0 && Number.isFinite(row.ratio) && !row.what.startsWith(" ")); // not the details
    if (shown.length === 0) continue;
    lines.push(text(16, y + 15, name, 'font-weight="bold"'));
    for (const row of shown) {
      lines.push(`<g>${bar(row, y)}</g>`);
      y += ROW;
    }
    y += ROW / 2;
  }
  const grid = TICKS.map((tick) => `<line x1="${place(tick)}" x2="${place(tick)}" y1="${TOP - 6}" y2="${y}" stroke="${tick === 1 ? "#222" : "#ddd"}"/>${text(place(tick), TOP - 12, `${tick}`, 'text-anchor="middle" fill="#555"')}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + BOTTOM}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
${text(16, 24, "Speed beside the ceiling or the peer of the same run: 1 is as fast, more is better", 'font-size="15" font-weight="bold"')}
${text(16, 42, "green: the aim is met; red: missed; grey: no aim; the black mark is the aim", 'fill="#555"')}
${grid.join("\n")}
${lines.join("\n")}
${text(16, y + 18, caption, 'fill="#555"')}
</svg>
`;
}
