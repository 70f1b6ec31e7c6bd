// devices.js - for whoever installs devices: who sends, who was refused, the installation window, what has to be sent again.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { OwnSystems } from "./handover.js";
import { Hl7 } from "./hl7.js";
import { Dialog, Field, Mark, Sure, Work, Wrong } from "./parts.js";
import { me, post } from "./state.js";
import { Targets } from "./targets.js";
import { bytes, fullTime, say } from "./words.js";

const CHARSETS = ["", "ISO_IR 192", "GB18030", "GBK-AS-IR100", "ISO_IR 58", "PINYIN"];
const PDUS = [0, 16384, 32768, 65536, 131072];

const Pinned = ({ certificate, security }) => (certificate || security === "tls"
  ? html`<${Mark} colour="green">TLS<//>` : html`<${Mark} colour="amber">${say("plain")}<//>`);

// One click takes what there is: title, address, and the certificate if it showed one.
function Enrol({ who, onClose }) {
  const [name, setName] = useState("");
  const [address, setAddress] = useState(who.address);
  const [wrong, setWrong] = useState("");
  const enrol = async () => {
    await post("devices", { ae: who.calling, address: address.trim(), name: name.trim(), certificate: who.certificate || "", ...(who.is_called_wrong ? { called: who.called } : {}) });
    onClose();
  };
  return html`<${Dialog} title=${say("enrol", who.calling)} onClose=${onClose}>
    <${Wrong}>${wrong}<//>
    <${Field} label=${say("device_name")} hint=${say("device_name_hint")} name="name" value=${name} onInput=${setName} maxlength="30" />
    <${Field} label=${say("address")} hint=${say("address_hint")} name="address" value=${address} onInput=${setAddress} maxlength="45" />
    <p><${Pinned} certificate=${who.certificate} /> <span class="quiet">${say(who.certificate ? "pins_certificate" : "pins_address")}</span></p>
    <p class="quiet">${say("no_report_address_yet")}</p>
    <div class="quick"><${Work} class="primary" disabled=${address.trim() === ""} onError=${setWrong} onClick=${enrol}>${say("enrol_do")}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div>
  <//>`;
}

function Change({ d, onClose }) {
  const [fields, setFields] = useState({ name: d.name, charset: d.charset, pdu_bytes: d.pdu_bytes, modality: d.modality, host: d.host, port: d.port });
  const [wrong, setWrong] = useState("");
  const [isLeaving, setLeaving] = useState(false);
  const on = (name) => (value) => setFields((old) => ({ ...old, [name]: value }));
  const act = (path, body) => async () => {
    await post(path, { ae: d.ae, address: d.address, ...body });
    onClose();
  };
  if (isLeaving) return html`<${Sure} title=${say("device_remove")} words=${`${d.name || d.ae}（${d.address}）：${say("device_remove_how")}`} onDo=${act("devices/remove", {})} onClose=${onClose} />`;
  return html`<${Dialog} title=${d.ae} onClose=${onClose}>
    <${Wrong}>${wrong}<//>
    <${Field} label=${say("device_name")} name="name" value=${fields.name} onInput=${on("name")} maxlength="30" />
    <${Field} label=${say("device_modality")} hint=${say("device_modality_hint")} name="modality" value=${fields.modality} onInput=${on("modality")} maxlength="16" />
    <${Field} label=${say("device_host")} hint=${say("device_host_hint")} name="host" value=${fields.host} onInput=${on("host")} maxlength="45" />
    <${Field} label=${say("device_port")} name="port" value=${String(fields.port || "")} onInput=${(v) => on("port")(Number(v) || 0)} maxlength="5" />
    <${Field} label=${say("device_charset")} name="charset" value=${fields.charset} onInput=${on("charset")} options=${CHARSETS.map((c) => [c, c || say("automatic")])} />
    <${Field} label=${say("device_pdu")} name="pdu" value=${String(fields.pdu_bytes)} onInput=${(v) => on("pdu_bytes")(Number(v))} options=${PDUS.map((n) => [String(n), n ? `${n / 1024} KiB` : say("automatic")])} />
    <div class="quick"><${Work} class="primary" onError=${setWrong} onClick=${act("devices", fields)}>${say("save")}<//>
      <button type="button" class="danger" onClick=${() => setLeaving(true)}>${say("device_remove")}…</button>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div>
  <//>`;
}

function Device({ d, onChange }) {
  return html`<li class="study ${d.last_store_us ? "green" : "grey"}" data-device=${d.ae}>
    <div class="what"><b>${d.name || d.ae}</b><span class="quiet">${d.ae}</span></div>
    <div class="how"><span>${d.last_store_us ? say("last_image", fullTime(d.last_store_us)) : say("no_image_yet")}</span>
      <span class="quiet">${d.address === "*" ? say("any_address") : d.address} · ${say("stored_n", d.stored)}${d.open ? ` · ${say("is_open", d.open)}` : ""}</span>
      <span class="marks"><${Pinned} certificate=${d.certificate} security=${d.security} /></span></div>
    <div class="may">${onChange && html`<button type="button" onClick=${() => onChange(d)}>${say("change")}</button>`}</div>
  </li>`;
}

function Unknown({ who, isStranger, onEnrol }) {
  const [wrong, setWrong] = useState("");
  const why = !isStranger && say(`refused_${who.why}`, who);
  return html`<li class="study amber" data-calling=${who.calling}>
    <div class="what"><b>${who.calling || say("tls_caller")}</b><span class="quiet">${who.address}</span></div>
    <div class="how"><span>${isStranger ? say("stranger_sent", { n: who.instances, size: bytes(who.bytes) }) : why}</span>
      <span class="quiet">${isStranger ? "" : `${say("times", who.count)} · `}${fullTime(who.last_us)}</span><${Wrong}>${wrong}<//></div>
    <div class="may">${onEnrol && html`${who.calling && html`<button type="button" class="primary" onClick=${() => onEnrol(who)}>${say("enrol_short")}</button>`}
      <${Work} onError=${setWrong} onClick=${() => post("devices/forget", { calling: who.calling, address: who.address })}>${say("forget")}<//>`}</div>
  </li>`;
}

function Window({ window: w, mayOpen }) {
  const [wrong, setWrong] = useState("");
  const isOpen = w.left_ms > 0;
  return html`<div class="notice ${isOpen ? "amber" : ""}">
    <p>${isOpen ? say("window_open", Math.ceil(w.left_ms / 60000)) : say("window_closed")}${w.instances > 0 ? ` ${say("window_holds", { n: w.instances, size: bytes(w.bytes) })}` : ""}</p>
    <${Wrong}>${wrong}<//>
    ${mayOpen && html`<${Work} class=${isOpen ? "" : "primary"} onError=${setWrong} onClick=${() => post("devices/window", { is_open: !isOpen })}>${say(isOpen ? "window_close_do" : "window_open_do")}<//>`}
  </div>`;
}

// As they are found at the device: how many, at which minute.
function together(list) {
  const rows = new Map();
  for (const u of list) {
    const key = `${u.ae} ${u.status} ${Math.floor(u.last_us / 60e6)}`;
    rows.set(key, [...(rows.get(key) || []), u]);
  }
  return [...rows.values()];
}

async function forget(all) {
  for (const u of all) await post("unsent/forget", { ae: u.ae, instance: u.instance });
}

function Unsent({ list, more, may }) {
  const [wrong, setWrong] = useState("");
  if (list.length === 0) return null;
  return html`<section aria-labelledby="unsent">
    <h2 id="unsent">${say("unsent")}</h2>
    <p class="quiet">${say("unsent_why")}</p>
    <${Wrong}>${wrong}<//>
    <ul class="rows">${together(list).map((all) => html`<li class="row"><b>${all[0].ae}</b><span>${say("unsent_n", all.length)} · ${fullTime(all[0].last_us)}</span>
      <span>${say(`status_${all[0].status}`)} (${all[0].status}H)</span>
      <details><summary>${say("unsent_uids")}</summary>${all.map((u) => html`<div class="uid">${u.instance || say("no_uid")}</div>`)}</details>
      ${may && html`<${Work} onError=${setWrong} onClick=${() => forget(all)}>${say("forget")}<//>`}</li>`)}</ul>
    ${more > 0 && html`<p class="quiet">${say("unsent_more", more)}</p>`}
  </section>`;
}

function Unoffered({ list }) {
  if (list.length === 0) return null;
  return html`<section aria-labelledby="unoffered">
    <h2 id="unoffered">${say("unoffered")}</h2>
    <p class="quiet">${say("unoffered_why")}</p>
    <ul class="rows">${list.map((u) => html`<li class="row"><b>${u.ae}</b><span class="uid">${u.class}</span>
      <span class="quiet">${u.address} · ${say("times", u.count)} · ${fullTime(u.last_us)}</span></li>`)}</ul>
  </section>`;
}

export function Devices({ now }) {
  const [asked, setAsked] = useState(null);
  const may = me.value?.may_engineer;
  const ask = may ? (what) => (of) => setAsked({ what, of }) : () => undefined;
  const close = () => setAsked(null);
  const unknown = [...now.strangers.map((s) => ({ ...s, isStranger: true })), ...now.refused];
  return html`<section aria-labelledby="devices-title">
      <h2 id="devices-title">${say("devices")}</h2>
      <${Window} window=${now.window} mayOpen=${may} />
      ${now.devices.length === 0 && html`<p class="quiet">${say("no_devices")}</p>`}
      <ul class="studies">${now.devices.map((d) => html`<${Device} key=${`${d.ae} ${d.address}`} d=${d} onChange=${ask("change")} />`)}</ul>
    </section>
    ${unknown.length > 0 && html`<section aria-labelledby="unknown"><h2 id="unknown">${say("unknown_devices")}</h2>
      <p class="quiet">${say(may ? "unknown_how" : "refused_why")}</p>
      <ul class="studies">${unknown.map((u) => html`<${Unknown} key=${`${u.calling} ${u.address} ${u.isStranger}`} who=${u} isStranger=${u.isStranger} onEnrol=${ask("enrol")} />`)}</ul></section>`}
    <${Unsent} list=${now.unsent} more=${now.unsent_more} may=${may} />
    <${Unoffered} list=${now.unoffered} />
    <${Targets} list=${now.targets} />
    <${Commitments} commitment=${now.commitment} devices=${now.devices} />
    ${!me.value?.may_work && html`<${Hl7} now=${now} />`}
    <${OwnSystems} now=${now} />
    ${now.page_certificate && html`<p class="quiet uid">${say("page_certificate")} ${now.page_certificate}</p>`}
    ${asked?.what === "enrol" && html`<${Enrol} who=${asked.of} onClose=${close} />`}
    ${asked?.what === "change" && html`<${Change} d=${asked.of} onClose=${close} />`}`;
}

// Who asked us to keep images safely, and waits for the answer.
function Commitments({ commitment, devices }) {
  const list = commitment?.commitments || [];
  if (list.length === 0) return null;
  // One that keeps its association open is told on it, and never failed.
  const mute = (commitment.devices || []).filter((c) => (c.failures > 0 || c.untold > 0)
    && devices.some((d) => d.ae === c.device && (d.address === "*" || d.address === c.address) && d.names_no_address));
  return html`<section aria-labelledby="commitments"><h2 id="commitments">${say("commitments")}</h2>
    ${mute.map((c) => html`<p class="notice amber">${say("no_report_address", { ae: c.device, n: c.open + c.untold })}</p>`)}
    <ul class="rows">${list.slice(0, 50).map((c) => html`<li class="row"><b>${c.device}</b><span>${say(`commitment_${c.state}`)}</span>
      <span>${say("commitment_n", c)}</span><span class="quiet">${fullTime(c.asked_at_us)}</span>${c.trouble && html`<span class="wrong">${c.trouble}</span>`}</li>`)}</ul></section>`;
}
