// presets.js - windows by modality. CT in HU; where grey levels mean nothing absolute (DR, MR, mammography) a preset is
// relative to the image's own window: width times `by`, centre moved by `up` of its width.
const relative = [
  { word: "window_own" }, { word: "window_harder", by: 0.6 }, { word: "window_softer", by: 1.6 },
  { word: "window_darker", up: 0.2 }, { word: "window_brighter", up: -0.2 },
];

const CT = [
  { word: "window_own" }, { word: "window_brain", center: 40, width: 80 }, { word: "window_lung", center: -600, width: 1500 },
  { word: "window_bone", center: 500, width: 2000 }, { word: "window_abdomen", center: 50, width: 350 },
  { word: "window_mediastinum", center: 40, width: 400 }, { word: "window_subdural", center: 75, width: 215 },
  { word: "window_stroke", center: 35, width: 35 }, { word: "window_liver", center: 90, width: 150 },
];

// The first is the image's own; key 0 chooses it, keys 1 to 9 the others.
export const presetsOf = (modality) => (modality === "CT" ? CT : relative);

// {center, width} that a preset means for an image whose own window is `own`.
export function windowOf(preset, own) {
  if (preset.width) return { center: preset.center, width: preset.width };
  return { center: own.center + own.width * (preset.up ?? 0), width: Math.max(1, own.width * (preset.by ?? 1)) };
}

// PS3.3 C.11.2.1.2.1: the range that linear windowing spreads over black to white, and back.
export const rangeOf = ({ center, width }) => ({ lower: center - 0.5 - (width - 1) / 2, upper: center - 0.5 + (width - 1) / 2 });
export const centerOf = ({ lower, upper }) => ({ center: (lower + upper) / 2 + 0.5, width: upper - lower + 1 });
