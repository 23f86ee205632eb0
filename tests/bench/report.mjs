// How results are told. A bench gives { title, rows }, a row is
//
//   what, value, unit     what was measured
//   ratio, to             the value beside that of its ceiling or peer, which `to` names
//   aim                   { ratio: "<= 1.25", value: ">= 2000" }: one of them, or both
//   note                  what else there is to say, such as the figure of the peer
import { cpus } from "node:os";

const comparisons = { "<=": (a, b) => a <= b, ">=": (a, b) => a >= b };

function compare(number, text) {
  const [operator, limit] = text.split(" ");
  return comparisons[operator](number, Number(limit));
}

// true, false, or undefined where there is no aim.
export const isMet = (row) => row.aim && Object.entries(row.aim).every(([key, text]) => compare(row[key], text));

// Of times and costs, less is better.
export const isCost = (row) => /^(ms|s|us|bytes|MB)\b/.test(row.unit);

function number(value) {
  if (value === undefined) return "";
  const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 0.1 || value === 0 ? 2 : 4;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function aimText(row) {
  if (!row.aim) return "";
  const texts = Object.entries(row.aim).map(([key, text]) => (key === "ratio" ? text : `${text} ${row.unit}`));
  return `${texts.join(" and ")}: ${isMet(row) ? "met" : "missed"}`;
}

export const ratioText = (row) => (row.ratio === undefined ? "" : `${number(row.ratio)} x ${row.to}`);

export function tableOf({ title, rows }) {
  const lines = [["", "", "", "aim", ""]].concat(rows.map((row) => [row.what, `${number(row.value)} ${row.unit}`, ratioText(row), aimText(row), row.note ?? ""]));
  const widths = [0, 1, 2, 3].map((i) => Math.max(...lines.map((line) => line[i].length)));
  const text = lines.map((line) => `  ${line.map((cell, i) => (i === 1 ? cell.padStart(widths[i]) : i < 4 ? cell.padEnd(widths[i]) : cell)).join("  ")}`.trimEnd());
  return [title, ...text].join("\n");
}

// One line for every aim.
export function aimsOf(results) {
  const rows = results.flatMap(({ name, rows }) => rows.filter((row) => row.aim).map((row) => ({ ...row, what: `${name}: ${row.what.trim()}`, note: undefined })));
  const met = rows.filter(isMet).length;
  return tableOf({ title: `Aims: ${met} of ${rows.length} met (${cpus().length} cores, shared by everything)`, rows });
}
