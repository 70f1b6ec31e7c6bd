// measures.js - what a measure says, in the page's words: on the image, in the list and in the report. Values come from the
// proved pixels that the tool was drawn on (cornerstone's cachedStats).
import { say } from "../shared/words.js";

const DIGITS = { length: 1, angle: 1, ellipse: 1, rectangle: 1, probe: 0 };
const fixed = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : "?");
const unitOf = (unit) => (unit && unit !== "raw" ? ` ${unit}` : "");

export function statsOf(data) {
  return Object.values(data.cachedStats ?? {})[0] ?? {};
}

// One measure as {kind, value…} with numbers, or null while it is being drawn.
export function figuresOf(kind, data) {
  const s = statsOf(data);
  if (kind === "length") return Number.isFinite(s.length) ? { kind, length: s.length, unit: s.unit ?? "mm" } : null;
  if (kind === "angle") return Number.isFinite(s.angle) ? { kind, angle: s.angle } : null;
  if (kind === "probe") return s.value === undefined ? null : { kind, value: s.value, unit: s.modalityUnit };
  if (!Number.isFinite(s.mean)) return null;
  return { kind, area: s.area, areaUnit: s.areaUnit, mean: s.mean, sd: s.stdDev, min: s.min, max: s.max, unit: s.modalityUnit };
}

export function linesOf(kind, data) {
  const f = figuresOf(kind, data);
  if (!f) return [];
  if (kind === "length") return [`${fixed(f.length, DIGITS.length)} ${f.unit}`];
  if (kind === "angle") return [`${fixed(f.angle, DIGITS.angle)}°`];
  if (kind === "probe") return [`${Array.isArray(f.value) ? f.value.join(" ") : fixed(f.value, 0)}${unitOf(f.unit)}`];
  return [
    `${say("measure_mean")} ${fixed(f.mean, 1)} ± ${fixed(f.sd, 1)}${unitOf(f.unit)}`,
    `${say("measure_range")} ${fixed(f.min, 0)} … ${fixed(f.max, 0)}${unitOf(f.unit)}`,
    `${say("measure_area")} ${fixed(f.area, 1)} ${f.areaUnit ?? ""}`,
  ];
}

// A sentence for the report.
export function sentenceOf(kind, data, place) {
  const f = figuresOf(kind, data);
  if (!f) return "";
  const lines = linesOf(kind, data);
  if (kind === "length") return say("sentence_length", { value: lines[0], ...place });
  if (kind === "angle") return say("sentence_angle", { value: lines[0], ...place });
  if (kind === "probe") return say("sentence_probe", { value: lines[0], ...place });
  return say("sentence_roi", { mean: fixed(f.mean, 1), sd: fixed(f.sd, 1), unit: unitOf(f.unit), area: fixed(f.area, 1),
    areaUnit: f.areaUnit ?? "", ...place });
}
