// ecg.js - waveforms of DICOM (PS3.3 C.10.9) as channels in millivolt, and their path on millimetre paper.
import { all, first, number, text } from "./tags.js";

const IN_MILLIVOLT = { uV: 0.001, "µV": 0.001, mV: 1, V: 1000 };
const LEAD = /(aV[RLF]|V[1-9]R?|III|II|I)\b/;

function leadName(d) {
  const source = first(d, "003A0208");
  const said = text(d, "003A0203") || text(source, "00080104") || text(source, "00080100");
  return LEAD.exec(said)?.[1] ?? said.replace(/^Lead\s+/i, "");
}

function channelOf(d) {
  const unit = text(first(d, "003A0211"), "00080100");
  const scale = IN_MILLIVOLT[unit];
  return {
    lead: leadName(d), unit, isVoltage: scale !== undefined, low: number(d, "003A0220"), high: number(d, "003A0221"),
    factor: (number(d, "003A0210") ?? 1) * (number(d, "003A0212") ?? 1) * (scale ?? 1), baseline: (number(d, "003A0213") ?? 0) * (scale ?? 1),
  };
}

// The multiplex groups of an instance's metadata; `data` is {uri} or {bytes}.
export function groupsOf(metadata) {
  return all(metadata, "54000100").map((group) => ({
    label: text(group, "003A0020"), channels: all(group, "003A0200").map(channelOf), samples: number(group, "003A0010") ?? 0,
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
  const n = group.channels.length;
  if (bytes.byteLength < n * group.samples * (group.bits / 8)) throw new Error("waveform data too short");
  const at = reader(group.bits, group.coding, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return group.channels.map((channel, c) => {
    const out = new Float32Array(group.samples);
    for (let i = 0; i < group.samples; i++) out[i] = at(i * n + c) * channel.factor + channel.baseline;
    return out;
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
