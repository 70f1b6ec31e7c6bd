// keys.js - every function of the light box and its key: one table feeds the dispatcher and the key help.
// A key is written as KeyboardEvent.key, letters small, with Shift+ or Control+ in front where held.
export const KEYS = [
  { group: "keys_scroll", word: "key_next", keys: ["ArrowDown", "j"], run: (b) => b.step(1) },
  { group: "keys_scroll", word: "key_previous", keys: ["ArrowUp", "k"], run: (b) => b.step(-1) },
  { group: "keys_scroll", word: "key_ten_on", keys: ["PageDown"], run: (b) => b.step(10) },
  { group: "keys_scroll", word: "key_ten_back", keys: ["PageUp"], run: (b) => b.step(-10) },
  { group: "keys_scroll", word: "key_first", keys: ["Home"], run: (b) => b.goTo(0) },
  { group: "keys_scroll", word: "key_last", keys: ["End"], run: (b) => b.goTo(Infinity) },
  { group: "keys_scroll", word: "key_series_next", keys: ["]"], run: (b) => b.nextStack(1) },
  { group: "keys_scroll", word: "key_series_previous", keys: ["["], run: (b) => b.nextStack(-1) },
  { group: "keys_scroll", word: "key_cine", keys: [" "], run: (b) => b.toggleCine() },
  { group: "keys_scroll", word: "key_slower", keys: ["<", ","], run: (b) => b.changeRate(1 / 1.25) },
  { group: "keys_scroll", word: "key_faster", keys: [">", "."], run: (b) => b.changeRate(1.25) },
  { group: "keys_prior", word: "key_compare", keys: ["c"], run: (b) => b.toggleCompare() },
  { group: "keys_prior", word: "key_link", keys: ["l"], run: (b) => b.toggleLink() },
  { group: "keys_prior", word: "key_other_pane", keys: ["ArrowLeft", "ArrowRight"], run: (b) => b.otherPane() },
  { group: "keys_window", word: "key_preset_own", keys: ["0"], run: (b) => b.preset(0) },
  { group: "keys_window", word: "key_preset", keys: ["1", "2", "3", "4", "5", "6", "7", "8", "9"], shown: "1–9",
    run: (b, key) => b.preset(Number(key)) },
  { group: "keys_window", word: "key_brighter", keys: ["Shift+ArrowUp"], run: (b) => b.changeWindow(-1, 0) },
  { group: "keys_window", word: "key_darker", keys: ["Shift+ArrowDown"], run: (b) => b.changeWindow(1, 0) },
  { group: "keys_window", word: "key_narrower", keys: ["Shift+ArrowLeft"], run: (b) => b.changeWindow(0, -1) },
  { group: "keys_window", word: "key_wider", keys: ["Shift+ArrowRight"], run: (b) => b.changeWindow(0, 1) },
  { group: "keys_window", word: "key_invert", keys: ["i"], run: (b) => b.pane?.invert() },
  { group: "keys_place", word: "key_bigger", keys: ["+", "="], run: (b) => b.pane?.zoomBy(1.2) },
  { group: "keys_place", word: "key_smaller", keys: ["-"], run: (b) => b.pane?.zoomBy(1 / 1.2) },
  { group: "keys_place", word: "key_pan", keys: ["Control+ArrowUp", "Control+ArrowDown", "Control+ArrowLeft", "Control+ArrowRight"],
    shown: "Ctrl ←↑↓→", run: (b, key) => b.pan(key) },
  { group: "keys_place", word: "key_natural", keys: ["n"], run: (b) => b.pane?.natural() },
  { group: "keys_place", word: "key_fit", keys: ["f"], run: (b) => b.pane?.fit() },
  { group: "keys_place", word: "key_turn", keys: ["t"], run: (b) => b.pane?.turn(90) },
  { group: "keys_place", word: "key_turn_back", keys: ["Shift+t"], run: (b) => b.pane?.turn(-90) },
  { group: "keys_place", word: "key_flip", keys: ["h"], run: (b) => b.pane?.flip(false) },
  { group: "keys_place", word: "key_flip_vertical", keys: ["v"], run: (b) => b.pane?.flip(true) },
  { group: "keys_place", word: "key_reset", keys: ["x"], run: (b) => b.pane?.reset() },
  { group: "keys_measure", word: "tool_window", keys: ["w"], run: (b) => b.chooseTool("window") },
  { group: "keys_measure", word: "tool_zoom", keys: ["g"], run: (b) => b.chooseTool("zoom") },
  { group: "keys_measure", word: "tool_pan", keys: ["p"], run: (b) => b.chooseTool("pan") },
  { group: "keys_measure", word: "tool_length", keys: ["d"], run: (b) => b.chooseTool("length") },
  { group: "keys_measure", word: "tool_angle", keys: ["a"], run: (b) => b.chooseTool("angle") },
  { group: "keys_measure", word: "tool_ellipse", keys: ["o"], run: (b) => b.chooseTool("ellipse") },
  { group: "keys_measure", word: "tool_rectangle", keys: ["r"], run: (b) => b.chooseTool("rectangle") },
  { group: "keys_measure", word: "tool_probe", keys: ["b"], run: (b) => b.chooseTool("probe") },
  { group: "keys_measure", word: "key_cursor", keys: ["Enter"], run: (b) => b.point() },
  { group: "keys_measure", word: "key_delete", keys: ["Delete", "Backspace"], run: (b) => b.removeMeasure() },
  { group: "keys_measure", word: "key_insert", keys: ["m"], run: (b) => b.insertMeasure() },
  { group: "keys_page", word: "key_report", keys: ["e"], run: (b) => b.onReport() },
  { group: "keys_page", word: "key_help", keys: ["?", "F1"], run: (b) => b.onHelp() },
];

const SHOWN = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", " ": "Space", PageDown: "PgDn", PageUp: "PgUp", Control: "Ctrl" };

export const shownKeys = (row) => row.shown ? [row.shown] : row.keys.map((key) => key.length > 1
  ? key.split("+").map((part) => SHOWN[part] ?? (part.length === 1 ? part.toUpperCase() : part)).join(" ")
  : SHOWN[key] ?? key.toUpperCase());

// The name of a pressed key as the table writes it. Shift is part of a sign like "?" and not told apart there.
export function keyName(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isNamed = event.key.length > 1 || /[a-z]/.test(key);
  return `${event.ctrlKey ? "Control+" : ""}${event.shiftKey && isNamed && !/^F\d/.test(key) ? "Shift+" : ""}${key}`;
}

const byKey = new Map(KEYS.flatMap((row) => row.keys.map((key) => [key, row])));
export const rowOf = (event) => (event.altKey || event.metaKey ? undefined : byKey.get(keyName(event)));

// A key belongs to the images unless it is being typed, or presses the button that has the focus.
export function isForImages(event) {
  const at = event.target;
  if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return false;
  if (at.closest?.("input, textarea, select, [contenteditable]")) return false;
  return !((event.key === " " || event.key === "Enter") && at.closest?.("button, a, summary"));
}
