// ecg.js - waveforms of DICOM (PS3.3 C.10.9) as channels in millivolt, and their path on millimetre paper.
import { all, first, number, text } from "./tags.js";

const IN_MILLIVOLT = { uV: 0.001, "µV": 0.001, mV: 1, V: 1000 };
const LEAD = /((?:^|\s)-aVR|aV[RLF]|V[1-9]R?|III|II|I)\b/; // "-aVR" is another curve than aVR

function leadName(d) {
  const source = first(d, "003A0208");
  const words = text(d, "003A0203") || text(source, "00080104") || text(source, "00080100");
  const said = words.replace(/\bav([rlf])\b/i, (_, end) => `aV${end.toUpperCase()}`);
  return LEAD.exec(said)?.[1].trim() ?? said.replace(/^Lead\s+/i, "");
}

function channelOf(d, at) {
  const unit = text(first(d, "003A0211"), "00080100");
  const scale = IN_MILLIVOLT[unit];
  return {
    at, lead: leadName(d), skew: `${number(d, "003A0214") ?? 0} ${number(d, "003A0215") ?? 0}`,
    unit, isVoltage: scale !== undefined, low: number(d, "003A0220"), high: number(d, "003A0221"),
    factor: (number(d, "003A0210") ?? 1) * (number(d, "003A0212") ?? 1) * (scale ?? 1), baseline: (number(d, "003A0213") ?? 0) * (scale ?? 1),
  };
}

// The limb leads that carts leave out, since they are sums of I and II (EN 1064 5.6, AHA/ACC/HRS 2007): [of I, of II].
const OF_I_AND_II = { III: [-1, 1], aVR: [-0.5, -0.5], aVL: [1, -0.5], aVF: [-0.5, 1] };
const LIMBS = ["I", "II", ...Object.keys(OF_I_AND_II)];

// With those that are missing, marked `isDerived`, the limb leads first. A multiplex group has one rate and one length; I and II
// must each be there once, in volts, and begin together. Else, and where nothing is missing: as stored.
function completed(channels) {
  const of = (lead) => channels.filter((channel) => channel.lead === lead);
  const [[one, ...more], [two, ...others]] = [of("I"), of("II")];
  const missing = LIMBS.filter((lead) => of(lead).length === 0);
  if (!one?.isVoltage || !two?.isVoltage || more.length + others.length > 0 || one.skew !== two.skew || missing.length === 0) return channels;
  const derived = missing.map((lead) => ({ lead, isDerived: true, isVoltage: true, one: one.at, two: two.at }));
  const limbs = LIMBS.flatMap((lead) => [...of(lead), ...derived.filter((channel) => channel.lead === lead)]);
  return [...limbs, ...channels.filter((channel) => !limbs.includes(channel))];
}

// The multiplex groups of an instance's metadata, with derived leads; `data` is {uri} or {bytes}.
export function groupsOf(metadata) {
  return all(metadata, "54000100").map((group) => ({
    label: text(group, "003A0020"), channels: completed(all(group, "003A0200").map(channelOf)), samples: number(group, "003A0010") ?? 0,
    frequency: number(group, "003A001A") ?? 0, bits: number(group, "54001004") ?? 16, coding: text(group, "54001006") || "SS",
    uri: group["54001010"]?.BulkDataURI, inline: group["54001010"]?.InlineBinary,
  }));
}

function reader(bits, coding, view) {
  if (bits === 16 && coding === "SS") return (i) => view.getInt16(2 * i, true);
  if (bits === 16 && coding === "US") return (i) => view.getUint16(2 * i, true);
  if (bits === 8 && coding === "SB") return (i) => view.getInt8(i);
  if (bits === 8 && coding === "UB") return (i) => view.getUint8(i);
  throw new Error(`waveform coding ${coding} ${bits}`);
}

// Bytes of a group (interleaved samples, little endian) to a Float32Array of millivolt for each channel. Short data is an
// error: a cut curve must not pass for a whole one.
export function decode(group, bytes) {
  const stored = group.channels.filter((channel) => !channel.isDerived);
  const n = stored.length;
  if (bytes.byteLength < n * group.samples * (group.bits / 8)) throw new Error("waveform data too short");
  const at = reader(group.bits, group.coding, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const curves = [];
  for (const { at: c, factor, baseline } of stored) {
    curves[c] = new Float32Array(group.samples);
    for (let i = 0; i < group.samples; i++) curves[c][i] = at(i * n + c) * factor + baseline;
  }
  return group.channels.map(({ lead, isDerived, at: c, one, two }) => {
    if (!isDerived) return curves[c];
    const [ofOne, ofTwo] = OF_I_AND_II[lead];
    return curves[one].map((value, i) => ofOne * value + ofTwo * curves[two][i]);
  });
}

// The curve of samples from..to as an SVG path in millimetres, y = 0 on the isoelectric line. Where many samples share a
// step of paper, the least and the greatest are drawn, so that no spike is lost.
export function pathOf(values, { frequency, from = 0, to = values.length, speed = 25, gain = 10, step = 0.125 }) {
  const perStep = Math.max(1, Math.floor((step / speed) * frequency));
  const point = (i) => `${(((i - from) / frequency) * speed).toFixed(3)} ${(-values[i] * gain).toFixed(3)}`;
  const points = [];
  for (let start = from; start < to; start += perStep) {
    let least = start;
    let most = start;
    for (let i = start; i < Math.min(to, start + perStep); i++) {
      if (values[i] < values[least]) least = i;
      if (values[i] > values[most]) most = i;
    }
    for (const i of least === most ? [least] : [Math.min(least, most), Math.max(least, most)]) points.push(point(i));
  }
  return points.length > 0 ? `M${points.join("L")}` : "";
}

// Rows of the sheet: each a list of {channel, from, to}. "rows": a lead a row; "3x4": four columns of a quarter of ten
// seconds each and lead II below, as paper has it.
export function sheetOf(group, layout) {
  const index = (lead) => group.channels.findIndex((channel) => channel.lead === lead);
  const standard = [["I", "aVR", "V1", "V4"], ["II", "aVL", "V2", "V5"], ["III", "aVF", "V3", "V6"]];
  if (layout === "3x4" && standard.flat().every((lead) => index(lead) >= 0)) {
    const part = Math.floor(Math.min(group.samples, 10 * group.frequency) / 4);
    const rows = standard.map((leads) => leads.map((lead, i) => ({ channel: index(lead), from: i * part, to: (i + 1) * part })));
    return [...rows, [{ channel: index("II"), from: 0, to: 4 * part }]];
  }
  return group.channels.map((_, channel) => [{ channel, from: 0, to: group.samples }]);
}

export const CSS_PX_PER_MM = 96 / 25.4;
