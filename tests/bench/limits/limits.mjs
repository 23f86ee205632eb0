// The limits that are tried, each in the file of its name.
import { spareMemory } from "../../e2e/harness.mjs";

export const names = ["transaction", "rows", "empty", "columns", "tables", "away"];

// What must not be, in words.
export function faultsOf({ title, peak, bound, reconnects, sessions = 0 }) {
  const faults = [];
  if (peak.hwm > bound * spareMemory()) faults.push(`${title}: the daemon took ${peak.hwm.toFixed(0)} MB, more than ${bound}`);
  if (reconnects > sessions) faults.push(`${title}: ${reconnects} sessions ended, ${sessions} were to`);
  return faults;
}
