// ecg_view.js - an ECG on millimetre paper. Coordinates of the SVG are millimetres, so the scale is exact whatever the
// screen: 1 mm of paper is CSS_PX_PER_MM pixels, times what the reader measured on this screen's ruler.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { keep, kept } from "../shared/words.js";
import { CSS_PX_PER_MM, decode, groupsOf, pathOf, sheetOf } from "./ecg.js";
import { bulkdataPath } from "./study.js";
import { say } from "./viewer_words.js";

const LEFT_MM = 12; // room for the calibration pulse and the lead's name
const ROW_MM = 25;
const RULER_MM = 100;

async function bytesOf(study, meta, group) {
  if (group.inline) return Uint8Array.from(atob(group.inline), (c) => c.charCodeAt(0));
  const answer = await fetch(bulkdataPath(study, meta, group.uri), { headers: { Accept: "application/octet-stream" }, credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  return new Uint8Array(await answer.arrayBuffer());
}

const nameOf = (channel) => (channel.isDerived ? say("ecg_derived", channel.lead) : channel.lead);

// 1 mV for 0.2 s, at the left of every row: whoever doubts the scale measures it.
const pulse = (gain, speed) => `M1 0h1v${-gain}h${0.2 * speed}v${gain}h1`;

function Paper({ width, height }) {
  return html`<defs>
      <pattern id="mm" width="1" height="1" patternUnits="userSpaceOnUse"><path d="M1 0H0V1" class="fine" /></pattern>
      <pattern id="five" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M5 0H0V5" class="coarse" /></pattern>
    </defs>
    <rect width=${width} height=${height} class="paper" /><rect width=${width} height=${height} fill="url(#mm)" />
    <rect width=${width} height=${height} fill="url(#five)" />`;
}

function Row({ row, y, group, curves, speed, gain }) {
  let x = LEFT_MM;
  return html`<g transform="translate(0 ${y})">
    <path class="pulse" data-gain=${gain} d=${pulse(gain, speed)} />
    ${row.map((part) => {
      const channel = group.channels[part.channel];
      const at = x;
      x += ((part.to - part.from) / group.frequency) * speed;
      return html`<g transform="translate(${at} 0)"><text x="1" y="-8">${nameOf(channel)}</text>
        <path class="curve" data-derived=${channel.isDerived} data-lead=${channel.lead} d=${pathOf(curves[part.channel], { frequency: group.frequency, from: part.from, to: part.to, speed, gain })} /></g>`;
    })}
  </g>`;
}

function Choice({ label, value, values, onChange }) {
  return html`<label>${label} <select value=${value} onChange=${(event) => onChange(event.target.value)}>
    ${values.map(([v, text]) => html`<option value=${v} selected=${String(v) === String(value)}>${text}</option>`)}</select></label>`;
}

function Ruler({ measured, onMeasured, scale }) {
  return html`<div class="ruler">
    <span class="mm100" style=${{ width: `${RULER_MM * CSS_PX_PER_MM}px` }} aria-hidden="true"></span>
    <label>${say("ecg_ruler")} <input type="number" min="40" max="250" step="0.5" value=${measured || ""} placeholder="100"
      onChange=${(event) => onMeasured(Number(event.target.value) || 0)} /></label>
    <span class="quiet">${measured ? say("ecg_calibrated", measured) : say("ecg_uncalibrated")} · ${scale}</span>
  </div>`;
}

export function EcgSheet({ study, stack, onShown }) {
  const groups = groupsOf(stack.meta);
  const [chosen, setChosen] = useState(0);
  const [curves, setCurves] = useState(null);
  const [hasFailed, setFailed] = useState(false);
  const [layout, setLayout] = useState("rows");
  const [speed, setSpeed] = useState(25);
  const [gain, setGain] = useState(10);
  const [measured, setMeasured] = useState(Number(kept("ecg_ruler_mm")) || 0);
  const group = groups[chosen];
  useEffect(() => {
    let isOver = false;
    setCurves(null);
    setFailed(false);
    bytesOf(study, stack.meta, group).then((bytes) => {
      if (isOver) return;
      setCurves(decode(group, bytes));
      onShown(stack.sop);
    }).catch(() => isOver || setFailed(true));
    return () => (isOver = true);
  }, [stack.id, chosen]);
  const pxPerMm = CSS_PX_PER_MM * (measured ? RULER_MM / measured : 1);
  const rows = sheetOf(group, layout);
  const derived = group.channels.filter((c) => c.isDerived).map((c) => c.lead);
  const seconds = Math.max(...rows.map((row) => row.reduce((sum, part) => sum + part.to - part.from, 0))) / group.frequency;
  const [width, height] = [LEFT_MM + Math.ceil(seconds * speed) + 5, rows.length * ROW_MM + 5];
  const measure = (mm) => {
    keep("ecg_ruler_mm", String(mm));
    setMeasured(mm);
  };
  const scale = say("ecg_scale", { speed, gain, px: pxPerMm.toFixed(2) });
  return html`<section class="ecg" aria-label=${say("ecg")}>
    <div class="toolbar">
      ${groups.length > 1 && html`<${Choice} label=${say("ecg_groups")} value=${chosen} values=${groups.map((g, i) => [i, g.label || i + 1])} onChange=${(v) => setChosen(Number(v))} />`}
      <${Choice} label=${say("ecg_layout")} value=${layout} values=${[["rows", say("ecg_rows")], ["3x4", say("ecg_paper")]]} onChange=${setLayout} />
      <${Choice} label=${say("ecg_speed")} value=${speed} values=${[[12.5, "12.5 mm/s"], [25, "25 mm/s"], [50, "50 mm/s"]]} onChange=${(v) => setSpeed(Number(v))} />
      <${Choice} label=${say("ecg_gain")} value=${gain} values=${[[5, "5 mm/mV"], [10, "10 mm/mV"], [20, "20 mm/mV"]]} onChange=${(v) => setGain(Number(v))} />
      <b class="scale">${scale}</b>
    </div>
    ${hasFailed && html`<p class="notice bad" role="alert">${say("ecg_failed")}</p>`}
    ${group.channels.some((c) => !c.isVoltage) && html`<p class="notice warn">${say("ecg_no_units")}</p>`}
    ${derived.length > 0 && html`<p class="notice" role="note">${say("ecg_derived_why", derived)}</p>`}
    <div class="sheet" tabindex="0" role="group" aria-label=${say("ecg")}>
      <svg role="img" aria-label="${say("ecg")}: ${group.channels.map(nameOf).join(" ")}" data-px-per-mm=${pxPerMm} viewBox="0 0 ${width} ${height}" width=${width * pxPerMm} height=${height * pxPerMm}>
        <${Paper} width=${width} height=${height} />
        ${curves && rows.map((row, i) => html`<${Row} key=${i} row=${row} y=${i * ROW_MM + 15} group=${group} curves=${curves} speed=${speed} gain=${gain} />`)}
      </svg>
    </div>
    <${Ruler} measured=${measured} onMeasured=${measure} scale=${scale} />
  </section>`;
}
